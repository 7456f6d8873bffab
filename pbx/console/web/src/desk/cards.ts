import type { Api } from '../net/api.ts';
import { ApiError } from '../net/api.ts';
import type { Card, Order } from '../net/types.ts';
import {
  active, changed, draftOf, fields, newDraft, orderOf, patchOf, rebase, troubles, type Draft, type Field,
} from '../logic/draft.ts';
import { Store } from '../logic/store.ts';

const refreshMs = 5_000;
const openLimit = 6;

/** One order card on the desk. */
export interface OpenCard {
  key: number;
  callId: string; // empty: opened by hand
  line: string;
  link: string; // the card in the dispatch system; empty: none
  driver: boolean; // it is a driver who calls
  order: Order | null; // null: not created yet
  base: Draft; // what the exchange has
  draft: Draft; // what the person sees
  errors: Partial<Record<Field, string>>; // the words, or a trouble's name
  loading: boolean;
  loadError: string | null; // null: none; empty: nobody answered
  saving: boolean;
  saveError: string | null;
  savedAt: number; // ms; 0: never
  created: boolean; // by this card, just now
  lostUntil: string | null; // client and driver reach each other because of something lost, as far as this card knows
  lostError: string | null;
}

export const dirty = (card: OpenCard): boolean => changed(card.base, card.draft).length > 0;

/** The order cards on an operator's desk; the last one that was touched is in front. */
export class Cards extends Store<{ open: OpenCard[]; front: number }> {
  private keys = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private api: Api) {
    super({ open: [], front: 0 });
  }

  start(): void {
    this.stop();
    this.timer = setInterval(() => void this.refresh(), refreshMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  get front(): OpenCard | null {
    return this.value.open.find((card) => card.key === this.value.front) ?? null;
  }

  /** A call rings: its card opens before the answer. Until the exchange has told more, the phone is known. */
  async ring(callId: string, phone: string): Promise<void> {
    const there = this.value.open.find((card) => card.callId !== '' && card.callId === callId);
    const key = there?.key ?? this.add({ call_id: callId, phone, line: '', branch: '', tariff: '', order: null, link: '' }, callId !== '');
    this.bring(key);
    if (callId) await this.load(key);
  }

  /** Where the dispatch system shows a call; empty: nowhere. */
  link(callId: string): string {
    return (callId && this.value.open.find((card) => card.callId === callId)?.link) || '';
  }

  /** A new order which somebody called about in another way. */
  blank(from: Partial<Pick<Card, 'phone' | 'line' | 'branch' | 'tariff'>> = {}): void {
    const card = { call_id: '', phone: '', line: '', branch: '', tariff: '', ...from, order: null, link: '' };
    this.bring(this.add(card, false));
  }

  show(order: Order): void {
    const key = this.add({ call_id: '', phone: order.phone, line: order.line, branch: '', tariff: '', order, link: '' }, false);
    this.bring(key);
  }

  async load(key: number): Promise<void> {
    const callId = this.find(key)?.callId;
    if (!callId) return;
    this.change(key, { loading: true, loadError: null });
    try {
      const card = await this.api.card(callId);
      const now = this.find(key);
      if (!now) return;
      const driver = card.party === 'driver';
      const fresh = card.order ? draftOf(card.order) : newDraft(driver ? { ...card, phone: '' } : card);
      this.change(key, {
        loading: false, driver, line: card.line, link: card.link, order: card.order, base: fresh, draft: rebase(now.base, now.draft, fresh),
      });
    } catch (error) {
      this.change(key, { loading: false, loadError: errorText(error) });
    }
  }

  edit(key: number, field: Field, text: string): void {
    const card = this.find(key);
    if (!card) return;
    const errors = { ...card.errors };
    delete errors[field];
    this.change(key, { draft: { ...card.draft, [field]: text }, errors, saveError: null, created: false });
  }

  reset(key: number): void {
    const card = this.find(key);
    if (card) this.change(key, { draft: card.base, errors: {}, saveError: null });
  }

  async save(key: number, also: Partial<Draft> = {}): Promise<boolean> {
    const card = this.find(key);
    if (!card || card.saving) return false;
    const draft = { ...card.draft, ...also };
    const errors = troubles(draft);
    this.change(key, { draft, errors, saveError: null });
    if (Object.keys(errors).length > 0) return false;
    if (card.order && changed(card.base, draft).length === 0) return true;
    this.change(key, { saving: true });
    try {
      const order = card.order
        ? await this.api.changeOrder(card.order.id, patchOf(card.base, draft))
        : await this.api.createOrder(orderOf(draft, card.line));
      const now = this.find(key);
      const fresh = draftOf(order);
      this.change(key, {
        saving: false, order, base: fresh, draft: now ? rebase(draft, now.draft, fresh) : fresh,
        savedAt: Date.now(), created: !card.order,
      });
      return true;
    } catch (error) {
      const known = error instanceof ApiError ? error.fields : {};
      const beside = Object.fromEntries(Object.entries(known).filter(([name]) => (fields as readonly string[]).includes(name)));
      this.change(key, { saving: false, errors: beside, saveError: errorText(error) });
      return false;
    }
  }

  /** Lets client and driver reach each other, for something was left in the car; or no longer. */
  async lostItem(key: number, open: boolean): Promise<void> {
    const id = this.find(key)?.order?.id;
    if (!id) return;
    try {
      this.change(key, { lostUntil: await this.api.lostItem(id, open), lostError: null });
    } catch (error) {
      this.change(key, { lostError: errorText(error) });
    }
  }

  close(key: number): void {
    const open = this.value.open.filter((card) => card.key !== key);
    this.set({ open, front: this.value.front === key ? (open.at(-1)?.key ?? 0) : this.value.front });
  }

  bring(key: number): void {
    this.set({ front: key });
  }

  private add(card: Card, loading: boolean): number {
    const key = ++this.keys;
    const draft = card.order ? draftOf(card.order) : newDraft(card);
    const added: OpenCard = {
      key, callId: card.call_id, line: card.line, link: card.link, driver: card.party === 'driver', order: card.order, base: draft, draft, errors: {}, loading,
      loadError: null, saving: false, saveError: null, savedAt: 0, created: false, lostUntil: null, lostError: null,
    };
    // What was only looked at makes room; what was written on stays, whatever rings.
    const kept = this.value.open.filter((each) => dirty(each) || each.saving).slice(-openLimit);
    this.set({ open: [...kept, added] });
    return key;
  }

  private find(key: number): OpenCard | undefined {
    return this.value.open.find((card) => card.key === key);
  }

  private change(key: number, change: Partial<OpenCard>): void {
    this.set({ open: this.value.open.map((card) => (card.key === key ? { ...card, ...change } : card)) });
  }

  /** The order may change elsewhere: the dispatch system, another operator, the driver's app. */
  private async refresh(): Promise<void> {
    const card = this.front;
    if (!card?.order || card.saving || document.hidden || !active(card.order.status)) return;
    let order: Order;
    try {
      order = await this.api.order(card.order.id);
    } catch {
      return; // the state of the connection is told elsewhere
    }
    const now = this.find(card.key);
    if (!now || now.saving || now.order?.updated === order.updated) return;
    const fresh = draftOf(order);
    this.change(card.key, { order, base: fresh, draft: rebase(now.base, now.draft, fresh) });
  }
}

/** Empty when nobody answered. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError) return error.status === 0 ? '' : error.message;
  return String(error);
}
