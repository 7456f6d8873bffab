import type { Card, Order } from '../net/types.ts';
import { dialable } from './format.ts';

/** An order as its form holds it: every field is the text in its box. Pure. */

export const fields = [
  'phone', 'client_name', 'status', 'pickup', 'dropoff', 'comment', 'eta_minutes', 'car.color', 'car.mark', 'car.model',
  'car.plate', 'driver_phone', 'price', 'branch', 'tariff',
] as const;
export type Field = (typeof fields)[number];
export type Draft = Record<Field, string>;
export type Trouble = 'required' | 'phone' | 'minutes' | 'price' | 'long';
export type Troubles = Partial<Record<Field, Trouble>>;

const number = (value: number | null | undefined) => (value ? String(value) : '');

export function draftOf(order: Order): Draft {
  const car = order.car ?? { color: '', mark: '', model: '', plate: '' };
  return {
    phone: order.phone ?? '', client_name: order.client_name ?? '', status: order.status, pickup: order.pickup ?? '',
    dropoff: order.dropoff ?? '', comment: order.comment ?? '',
    // Nought minutes is news ("now"); nought roubles is "not known".
    eta_minutes: order.eta_minutes === null || order.eta_minutes === undefined ? '' : String(order.eta_minutes),
    'car.color': car.color ?? '', 'car.mark': car.mark ?? '', 'car.model': car.model ?? '', 'car.plate': car.plate ?? '',
    driver_phone: order.driver_phone ?? '', price: number(order.price), branch: order.branch ?? '',
    tariff: order.tariff ?? '',
  };
}

export function newDraft(card: Pick<Card, 'phone' | 'branch' | 'tariff'>): Draft {
  return {
    phone: card.phone, client_name: '', status: 'new', pickup: '', dropoff: '', comment: '', eta_minutes: '',
    'car.color': '', 'car.mark': '', 'car.model': '', 'car.plate': '', driver_phone: '', price: '',
    branch: card.branch, tariff: card.tariff,
  };
}

/** The longest text the exchange takes. */
export const longest: Record<Field, number> = {
  phone: 64, client_name: 100, status: 40, pickup: 300, dropoff: 300, comment: 1000, eta_minutes: 4, 'car.color': 40,
  'car.mark': 40, 'car.model': 40, 'car.plate': 16, driver_phone: 64, price: 8, branch: 100, tariff: 100,
};
const mostMinutes = 1440;
const mostPrice = 10_000_000;

export function changed(from: Draft, to: Draft): Field[] {
  return fields.filter((field) => from[field].trim() !== to[field].trim());
}

/** What the exchange would refuse, found before it is asked. */
export function troubles(draft: Draft): Troubles {
  const found: Troubles = {};
  const whole = (text: string, most: number) => /^\d{1,8}$/.test(text) && Number(text) <= most;
  const text = (field: Field) => draft[field].trim();
  if (text('phone') === '') found.phone = 'required';
  else if (dialable(text('phone')) === '') found.phone = 'phone';
  if (text('driver_phone') !== '' && dialable(text('driver_phone')) === '') found.driver_phone = 'phone';
  if (text('eta_minutes') !== '' && !whole(text('eta_minutes'), mostMinutes)) found.eta_minutes = 'minutes';
  if (text('price') !== '' && !whole(text('price'), mostPrice)) found.price = 'price';
  for (const field of fields) if (!found[field] && text(field).length > longest[field]) found[field] = 'long';
  return found;
}

type Json = Record<string, unknown>;

function value(field: Field, text: string): unknown {
  const trimmed = text.trim();
  if (field === 'eta_minutes' || field === 'price') return trimmed === '' ? null : Number(trimmed);
  if (field === 'phone' || field === 'driver_phone') return trimmed === '' ? null : dialable(trimmed) || trimmed;
  return trimmed === '' ? null : trimmed;
}

function body(draft: Draft, which: Field[]): Json {
  const out: Json = {};
  for (const field of which) {
    const [outer, inner] = field.split('.') as [string, string | undefined];
    if (inner) out[outer] = { ...(out[outer] as Json | undefined), [inner]: value(field, draft[field]) };
    else out[outer] = value(field, draft[field]);
  }
  return out;
}

/** A merge patch (RFC 7396) of what the person changed: null clears. */
export function patchOf(base: Draft, draft: Draft): Json {
  return body(draft, changed(base, draft));
}

/** A whole new order; what is empty is left out. */
export function orderOf(draft: Draft, line: string): Json {
  const out = body(draft, fields.filter((field) => draft[field].trim() !== ''));
  return line ? { ...out, line } : out;
}

/** The order changed elsewhere: take the news, keep what the person is writing. */
export function rebase(base: Draft, draft: Draft, fresh: Draft): Draft {
  const merged = { ...fresh };
  for (const field of changed(base, draft)) merged[field] = draft[field];
  return merged;
}

export const nextStatuses: Record<string, string[]> = {
  new: ['accepted', 'no_driver'],
  accepted: ['arrived', 'late'],
  accepted_next: ['accepted', 'arrived'],
  late: ['arrived'],
  arrived: ['in_progress', 'paid_waiting'],
  paid_waiting: ['in_progress'],
  in_progress: ['completed'],
  driver_refused: ['accepted', 'no_driver'],
  no_driver: ['accepted', 'refused'],
};

const over = new Set(['completed', 'refused', 'cancelled_by_driver', 'mistake', 'overdue']);
/** Whether a client who calls now calls about such an order. */
export const active = (status: string): boolean => !over.has(status);

export type Tone = 'search' | 'drive' | 'here' | 'trouble' | 'over';
export function tone(status: string): Tone {
  switch (status) {
    case 'new': case 'driver_refused': return 'search';
    case 'accepted': case 'accepted_next': case 'in_progress': return 'drive';
    case 'arrived': case 'paid_waiting': return 'here';
    case 'late': case 'no_driver': return 'trouble';
    default: return 'over';
  }
}
