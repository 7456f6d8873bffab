import { own, type Own } from '../logic/own.ts';
import { Store } from '../logic/store.ts';
import type { Api } from '../net/api.ts';
import { Live } from '../net/live.ts';
import type { Me, Operator } from '../net/types.ts';
import { Microphone, type StandIn } from '../phone/microphone.ts';
import { SipPhone } from '../phone/sipphone.ts';
import { melodies, type Sound } from '../phone/sound.ts';
import { Cards } from './cards.ts';

export interface DeskView {
  own: Own;
  me: Operator | null; // as the exchange sees us
  switching: boolean; // between pause and line
  switchFailed: boolean;
}

/**
 * An operator's desk: telephone, microphone, cards and the news of the
 * exchange. It keeps one promise: a line that cannot take a call never looks as
 * if it could, and without a microphone it is not registered at all.
 */
export class Desk extends Store<DeskView> {
  readonly mic: Microphone;
  readonly phone: SipPhone;
  readonly live: Live;
  readonly cards: Cards;
  private unseenSince = 0;
  private rang = '';
  private stopping: (() => void)[] = [];

  constructor(readonly account: Me, private api: Api, readonly sound: Sound, standIn: StandIn | null) {
    super({ own: { kind: 'starting' }, me: null, switching: false, switchFailed: false });
    this.mic = new Microphone(sound, standIn);
    this.phone = new SipPhone(sound, this.mic, melodies.ring);
    this.live = new Live(api);
    this.cards = new Cards(api);
  }

  start(): void {
    const tick = setInterval(() => this.look(), 1000);
    this.stopping = [
      () => clearInterval(tick),
      this.mic.watch(() => this.micChanged()),
      this.phone.watch(() => this.phoneChanged()),
      this.live.watch(() => this.liveChanged()),
    ];
    this.live.start();
    this.cards.start();
    void this.mic.open();
  }

  stop(): void {
    for (const stop of this.stopping) stop();
    this.stopping = [];
    this.phone.stop();
    this.mic.close();
    this.live.stop();
    this.cards.stop();
  }

  /** What a person can do about a dead line: look at everything once more. */
  retry(): void {
    this.sound.wake();
    if (this.mic.value.state !== 'ok') void this.mic.open();
    else this.phone.start(this.account.sip);
  }

  /** Takes the call. The dispatch system's card opens with the same press: later a browser would take it for a pop-up. */
  answer(): void {
    const link = this.cards.link(this.phone.value.call?.id ?? '');
    if (link) window.open(link, '_blank', 'noopener');
    this.phone.answer();
  }

  async setReady(ready: boolean): Promise<void> {
    this.set({ switching: true, switchFailed: false });
    try {
      await this.api.ready(ready);
      const { me } = this.value;
      if (me) this.set({ me: { ...me, ready } }); // the exchange says the same in a moment
      this.set({ switching: false });
      this.look();
    } catch {
      this.set({ switching: false, switchFailed: true });
    }
  }

  private micChanged(): void {
    const { state } = this.mic.value;
    const { line, call } = this.phone.value;
    if (state === 'ok' && line === 'off') this.phone.start(this.account.sip);
    // In a call the client may still be heard; afterwards the line goes.
    if (!['ok', 'asking'].includes(state) && line !== 'off' && call?.phase !== 'talking') this.phone.stop();
    this.look();
  }

  private phoneChanged(): void {
    const { call } = this.phone.value;
    if (call?.direction === 'in' && call.phase === 'ringing') {
      const ring = `${call.id} ${call.started}`;
      if (ring !== this.rang) {
        this.rang = ring;
        void this.cards.ring(call.id, call.number);
      }
    }
    if (!call && !['ok', 'asking'].includes(this.mic.value.state) && this.phone.value.line !== 'off') this.phone.stop();
    this.look();
  }

  private liveChanged(): void {
    const was = this.serverWas;
    this.serverWas = this.live.value.server;
    const me = this.live.value.floor?.operators.find((each) => each.login === this.account.login) ?? null;
    this.set({ me });
    // The network came back: the old registration may be worth nothing.
    if (was === 'down' && this.serverWas === 'up') this.phone.refresh();
    this.look();
  }
  private serverWas = 'unknown';

  private look(): void {
    const { line, call } = this.phone.value;
    const { me } = this.value;
    const server = this.live.value.server;
    const unseen = line === 'up' && server === 'up' && me !== null && !me.online;
    if (!unseen) this.unseenSince = 0;
    else if (this.unseenSince === 0) this.unseenSince = Date.now();
    const next = own({
      mic: this.mic.value.state, line, server,
      seen: !unseen, unseenFor: unseen ? (Date.now() - this.unseenSince) / 1000 : 0,
      ready: me?.ready ?? true,
      call: !call ? 'none' : call.phase === 'ringing' ? 'ringing' : 'busy',
    });
    if (JSON.stringify(next) !== JSON.stringify(this.value.own)) this.set({ own: next });
  }
}
