/** off: not wanted; connecting, registering: on the way; down: no socket; refused: password; failed: anything else. */
export type LineState = 'off' | 'connecting' | 'registering' | 'up' | 'down' | 'refused' | 'failed';

export interface Account {
  uri: string; // sip:anna@cabline
  ws: string; // path of the WebSocket on this host
  login?: string;
  password?: string;
  ha1?: string;
  realm?: string;
}

/** ringing: they call us; calling: we call them; joining: answered, the audio is being set up. */
export type CallPhase = 'ringing' | 'calling' | 'joining' | 'talking';

export interface Call {
  direction: 'in' | 'out';
  phase: CallPhase;
  number: string; // the other side, as SIP names it
  name: string;
  id: string; // the exchange's call ID, where it told us
  started: number; // ms
  answered: number; // ms; 0: not yet
  heard: boolean; // audio from the other side is attached
  muted: boolean;
  held: boolean;
  heldByThem: boolean;
  handing: string; // whom the other side is being handed over to; empty: nobody
  handFailed: number; // SIP status of the last hand-over that failed; 0: none
}

export interface Ended {
  direction: 'in' | 'out';
  number: string;
  talked: number; // seconds; 0: never answered
  code: number; // SIP status of a refusal; 0: a hang-up
  cause: Cause;
  at: number; // ms
}

export type Cause =
  | 'hung_up' | 'they_hung_up' | 'cancelled' | 'elsewhere' | 'declined' | 'rejected' | 'busy' | 'no_answer' | 'not_allowed'
  | 'not_found' | 'unavailable' | 'no_channel' | 'bad_number' | 'network' | 'media' | 'failed';

export interface PhoneView {
  line: LineState;
  lineCode: number; // SIP status of a refused registration; 0: none
  call: Call | null;
  last: Ended | null;
}

/** What the other side sounds like right now, from its audio and nothing else. */
export interface Measure {
  hz: number; // the strongest frequency
  db: number; // its level
  next_db: number; // the strongest more than 60 Hz away from it
  rms: number; // 0…1
  context: string; // of the AudioContext: running or suspended
}
