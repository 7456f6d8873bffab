/** The HTTP contract of the exchange, as far as the pages use it. */

export const statuses = [
  'new', 'accepted', 'accepted_next', 'arrived', 'paid_waiting', 'in_progress', 'completed', 'refused', 'late',
  'overdue', 'driver_refused', 'no_driver', 'cancelled_by_driver', 'mistake',
] as const;
export type Status = (typeof statuses)[number];

export interface Car {
  color: string;
  mark: string;
  model: string;
  plate: string;
}

export interface Order {
  id: string;
  status: string; // a Status; a dispatch system may have others
  phone: string;
  client_name: string;
  line: string;
  branch: string;
  tariff: string;
  pickup: string;
  dropoff: string;
  comment: string;
  eta_minutes: number | null;
  car: Car;
  price: number | null;
  driver_phone: string;
  created: string;
  updated: string;
}

export interface Card {
  call_id: string;
  phone: string;
  party?: string; // whose: client, or driver
  line: string;
  branch: string;
  tariff: string;
  order: Order | null;
  link: string; // the card in the dispatch system; empty: there is none
}

export interface Me {
  login: string;
  name: string;
  language: string;
  branches: string[];
  firm: string;
  listen: boolean; // to recordings
  sip: { uri: string; realm: string; ha1: string; ws: string };
}

export interface Operator {
  login: string;
  name: string;
  branches: string[];
  online: boolean;
  ready: boolean;
  state: string; // free ringing talking
  call_id: string;
}

export interface Waiting {
  call_id: string;
  phone: string;
  line: string;
  branch: string;
  since: string;
}

/** What a client answered by a key, in the last minutes. */
export interface Said {
  order_id: string;
  phone: string;
  answer: string; // coming_out five_minutes cancel keep_looking
  at: string;
}

export interface Floor {
  operators: Operator[];
  waiting: Waiting[];
  answers: Said[];
  calls: number;
}

export interface LegRecord {
  id: string;
  party: string;
  number: string;
  operator: string;
  trunk: string;
  started: string | null;
  answered: string | null;
  ended: string | null;
  cause: string;
  code: number;
  audio: { received: number; sent: number; lost: number; dropped: number; jitter_ms: number; mos?: number | null; mute?: boolean } | null;
}

export interface CDR {
  id: string;
  kind: string;
  line: string;
  from: string;
  to: string;
  order_id: string;
  branch: string;
  started: string;
  answered: string | null;
  ended: string | null;
  waited_seconds: number;
  talked_seconds: number;
  state: string; // where a live call stands
  result: string;
  steps: { at: string; what: string }[];
  legs: LegRecord[];
}

/** A recorded talk of a call. */
export interface Recording {
  number: number;
  started: string;
  length_seconds: number;
  size: number;
  left: string; // the party on the left side: client …
  right: string;
}

export const noticeStates = [
  'waiting', 'dialling', 'answered', 'speaking', 'delivered', 'busy', 'no_answer', 'rejected', 'unreachable', 'hung_up', 'superseded', 'dropped', 'failed',
] as const;

export interface Notice {
  id: number;
  order_id: string;
  status: string;
  version: number;
  phone: string;
  line: string;
  source: string;
  at: string;
  state: string; // one of noticeStates
  why: string; // the last line of its journal
  due: string | null;
  tries: number;
  call_id: string;
  answer: string;
  machine: boolean;
  ended: string | null;
}

export interface NoticeStep {
  at: string;
  state: string;
  what: string;
}

export interface OptOut {
  phone: string;
  since: string;
  note: string;
}

export interface FakePhone {
  number: string;
  uri: string;
  login: string;
  password: string;
  ws: string;
}

export interface DemoInfo {
  line: string;
  firm: string;
  client: FakePhone;
  driver: FakePhone;
  operator: { login: string; password: string };
  token: string;
}
