import JsSIP from 'jssip';
import type { RTCSession } from 'jssip/lib/RTCSession';
import type { UA } from 'jssip/lib/UA';
import { userOf } from '../logic/format.ts';
import { Store } from '../logic/store.ts';
import { causeOf } from './causes.ts';
import { Hearing } from './hearing.ts';
import type { Microphone } from './microphone.ts';
import { melodies, type Melody, type Sound } from './sound.ts';
import type { Account, Call, CallPhase, Cause, Measure, PhoneView } from './types.ts';

const pcConfig: RTCConfiguration = { iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' };
const retryMs = 5_000; // JsSIP reconnects by itself but does not repeat a registration that was refused
const eventLimit = 200;

interface SipMessage {
  status_code?: number;
  getHeader?(name: string): string | undefined;
}

/** One telephone in the page: one registration, one call at a time; a second caller is told busy. */
export class SipPhone extends Store<PhoneView> {
  readonly events: string[] = [];
  readonly hearing: Hearing;
  private ua: UA | null = null;
  private session: RTCSession | null = null;
  private speech: MediaStream | null = null;
  private stopMelody: (() => void) | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private domain = '';
  ringVolume = 1;

  constructor(private sound: Sound, private mic: Microphone, private ring: Melody) {
    super({ line: 'off', lineCode: 0, call: null, last: null });
    this.hearing = new Hearing(sound);
    sound.watch(() => { if (!sound.value.blocked) this.hearing.play(); });
  }

  start(account: Account): void {
    this.stop();
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.domain = account.uri.replace(/^.*@/, '').replace(/[;?].*$/, '');
    const ua = new JsSIP.UA({
      sockets: new JsSIP.WebSocketInterface(`${scheme}://${location.host}${account.ws}`),
      uri: account.uri, register: true, register_expires: 120, session_timers: true, user_agent: 'Cabline console',
      connection_recovery_min_interval: 1, connection_recovery_max_interval: 5,
      ...(account.login ? { authorization_user: account.login } : {}),
      ...(account.ha1 ? { ha1: account.ha1, realm: account.realm } : { password: account.password ?? '' }),
    } as ConstructorParameters<typeof JsSIP.UA>[0]);
    this.ua = ua;
    const mine = (does: (e: never) => void) => (e: unknown) => { if (this.ua === ua) does(e as never); };
    this.set({ line: 'connecting', lineCode: 0 });
    ua.on('connecting', mine(() => { if (this.value.line !== 'down') this.set({ line: 'connecting' }); }));
    ua.on('connected', mine(() => { this.note('connected'); this.set({ line: 'registering' }); }));
    ua.on('disconnected', mine(() => { this.note('disconnected'); this.set({ line: 'down' }); }));
    ua.on('registered', mine(() => { this.note('registered'); this.set({ line: 'up', lineCode: 0 }); }));
    ua.on('unregistered', mine(() => { this.note('unregistered'); this.lineFailed(0); }));
    ua.on('registrationFailed', mine((e: { cause?: string; response?: SipMessage | null }) => {
      this.note('registrationFailed', e.cause);
      this.lineFailed(e.response?.status_code ?? 0);
    }));
    ua.on('newRTCSession', mine((e: { originator: string; session: RTCSession; request: SipMessage }) => {
      if (e.originator === 'remote') this.arrived(e.session, e.request);
    }));
    ua.start();
  }

  /** Gives up the registration and any call. */
  stop(): void {
    clearTimeout(this.retry);
    this.hangUp();
    const { ua } = this;
    this.ua = null;
    ua?.stop();
    this.set({ line: 'off', lineCode: 0 });
  }

  /** Registers once more now: after a sleep or a lost network the old registration may be worth nothing. */
  refresh(): void {
    if (this.ua?.isConnected()) this.ua.register();
  }

  call(number: string): void {
    if (!this.ua || this.value.call) return;
    this.begin({ direction: 'out', phase: 'calling', number, name: '', id: '' });
    void this.withSpeech((mediaStream) => {
      const session = this.ua!.call(`sip:${userOf(number)}@${this.domain}`, {
        mediaStream, pcConfig, rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: false },
      });
      this.follow(session);
    });
  }

  answer(): void {
    const { call } = this.value;
    const { session } = this;
    if (!session || call?.phase !== 'ringing') return;
    this.melody(null);
    this.change({ phase: 'joining' });
    void this.withSpeech((mediaStream) => session.answer({ mediaStream, pcConfig }));
  }

  hangUp(): void {
    const { session } = this;
    if (!session) return this.over('hung_up', 0); // the browser still asks for the microphone
    const ringing = this.value.call?.phase === 'ringing';
    try {
      session.terminate(ringing ? { status_code: 603 } : {});
    } catch (error) {
      this.note('terminate', String(error));
      this.over('hung_up', 0);
    }
  }

  mute(on: boolean): void {
    if (this.value.call) this.change({ muted: on });
    // Before the answer nobody hears us, and JsSIP has nothing to mute.
    if (!this.session?.connection) return;
    if (on) this.session.mute({ audio: true });
    else this.session.unmute({ audio: true });
  }

  /** JsSIP refuses while an earlier wish is on its way; the last one is carried out when that is done. */
  hold(on: boolean): void {
    const { session } = this;
    if (!session || this.value.call?.phase !== 'talking') return;
    this.wantsHold = on;
    const done = () => {
      if (this.session === session && this.value.call?.held !== this.wantsHold) this.hold(this.wantsHold);
    };
    if (on ? session.hold({}, done) : session.unhold({}, done)) this.change({ held: on });
  }
  private wantsHold = false;

  /** Lets the other side go on with a number or another operator; the exchange hangs up on us when they do. */
  handOver(to: string): void {
    const { session } = this;
    if (!session || this.value.call?.phase !== 'talking' || this.value.call.handing) return;
    this.note('refer', to);
    this.change({ handing: to, handFailed: 0 });
    const failed = (code: number) => {
      this.note('refer failed', String(code));
      if (this.session === session) this.change({ handing: '', handFailed: code });
    };
    session.refer(`sip:${to}@${this.domain}`, {
      eventHandlers: {
        requestFailed: (e: { response?: SipMessage | null }) => failed(e.response?.status_code ?? 500),
        failed: (e: { status_line?: SipMessage }) => failed(e.status_line?.status_code ?? 500),
        accepted: () => this.note('refer accepted'),
      },
    });
  }

  key(digit: string): void {
    const { session } = this;
    if (!session || !this.value.call) return;
    this.sound.key(digit);
    const sender = session.connection?.getSenders().find((each) => each.track?.kind === 'audio');
    // RFC 4733 travels with the voice; INFO is for an exchange that did not agree to it.
    const how = sender?.dtmf?.canInsertDTMF ? 'RFC2833' : 'INFO';
    this.note('key', `${digit} ${how}`);
    try {
      session.sendDTMF(digit, { transportType: how as never, duration: 120, interToneGap: 80 });
    } catch (error) {
      this.note('key', String(error)); // pressed before the call was answered
    }
  }

  /** Puts away what is said about the last call. */
  forget(): void {
    this.set({ last: null });
  }

  measure(): Measure | null {
    return this.hearing.measure();
  }

  /** Packets and codecs of the call, for the debug object. */
  async stats(): Promise<Record<string, unknown>> {
    const out: Record<string, unknown> = {};
    const report = await this.session?.connection?.getStats();
    report?.forEach((entry) => {
      if (entry.type !== 'inbound-rtp' && entry.type !== 'outbound-rtp') return;
      const codec = report.get(entry.codecId) as { mimeType?: string } | undefined;
      out[entry.type] = {
        packets: entry.packetsReceived ?? entry.packetsSent, lost: entry.packetsLost ?? 0, codec: codec?.mimeType,
      };
    });
    return out;
  }

  /** Begins the present call with something to speak with, unless it is over by then. */
  private async withSpeech(does: (speech: MediaStream) => void): Promise<void> {
    const started = this.value.call?.started;
    const speech = await this.mic.take();
    if (!this.value.call || this.value.call.started !== started || !this.ua) {
      speech?.getTracks().forEach((track) => track.stop());
      return;
    }
    try {
      if (!speech) throw new Error('no microphone');
      this.speech = speech;
      does(speech);
    } catch (error) {
      this.note('failed', String(error));
      if (this.session) this.hangUp();
      this.over(speech ? 'bad_number' : 'media', 0);
    }
  }

  private arrived(session: RTCSession, request: SipMessage): void {
    if (this.value.call) {
      this.note('second call refused');
      session.terminate({ status_code: 486 });
      return;
    }
    const { uri, display_name } = session.remote_identity;
    this.begin({
      direction: 'in', phase: 'ringing', number: (uri.user === 'anonymous' ? display_name : uri.user) ?? '', name: display_name ?? '',
      id: request.getHeader?.('X-Cabline-Call') ?? '',
    });
    this.follow(session);
    this.melody(this.ring, this.ringVolume);
  }

  private follow(session: RTCSession): void {
    this.session = session;
    const mine = (does: (e: never) => void) => (e: unknown) => { if (this.session === session) does(e as never); };
    const on = (name: string, does: (e: never) => void) => session.on(name as 'ended', mine(does) as never);
    on('progress', (e: { originator: string; response?: SipMessage & { body?: string } }) => {
      this.note('progress', e.originator);
      if (e.originator === 'remote' && !e.response?.body) this.melody(melodies.ringback, 1);
    });
    on('accepted', () => {
      this.note('accepted');
      this.melody(null);
      this.change({ phase: 'joining', answered: Date.now() });
      if (this.value.call?.muted) this.mute(true);
    });
    on('confirmed', () => { this.note('confirmed'); this.change({ phase: 'talking' }); });
    on('hold', (e: { originator: string }) => this.change(e.originator === 'local' ? { held: true } : { heldByThem: true }));
    on('unhold', (e: { originator: string }) => this.change(e.originator === 'local' ? { held: false } : { heldByThem: false }));
    const end = (e: { originator: string; cause: string; message?: SipMessage | null }) => {
      const code = e.message?.status_code ?? 0;
      const reason = e.message?.getHeader?.('Reason') ?? '';
      this.note('ended', `${e.originator} ${e.cause} ${code || ''} ${reason}`.trim());
      this.over(causeOf({ code, originator: e.originator, jssip: e.cause, reason }), code);
    };
    on('ended', end);
    on('failed', end);
    const hear = (connection: RTCPeerConnection) => connection.addEventListener('track', (e) => {
      if (this.session !== session) return;
      this.hearing.attach(e.streams[0] ?? new MediaStream([e.track]));
      this.change({ heard: true });
      this.note('track');
    });
    // An outgoing session has made its connection before anyone could listen.
    if (session.connection) hear(session.connection);
    else on('peerconnection', (e: { peerconnection: RTCPeerConnection }) => hear(e.peerconnection));
  }

  private begin(about: { direction: 'in' | 'out'; phase: CallPhase; number: string; name: string; id: string }): void {
    this.note(about.phase, `${about.number} ${about.id}`.trim());
    this.set({
      last: null,
      call: { ...about, started: Date.now(), answered: 0, heard: false, muted: false, held: false, heldByThem: false, handing: '', handFailed: 0 },
    });
  }

  private change(change: Partial<Call>): void {
    if (this.value.call) this.set({ call: { ...this.value.call, ...change } });
  }

  private over(cause: Cause, code: number): void {
    const { call } = this.value;
    this.session = null;
    this.melody(null);
    this.hearing.detach();
    this.speech?.getTracks().forEach((track) => track.stop());
    this.speech = null;
    if (!call) return;
    const at = Date.now();
    const talked = call.answered ? (at - call.answered) / 1000 : 0;
    this.set({ call: null, last: { direction: call.direction, number: call.number, talked, code, cause, at } });
  }

  private lineFailed(code: number): void {
    if (!this.ua?.isConnected()) return; // "disconnected" has said it already
    this.set({ line: code === 401 || code === 403 || code === 407 ? 'refused' : 'failed', lineCode: code });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.refresh(), retryMs);
  }

  private melody(melody: Melody | null, volume = 1): void {
    this.stopMelody?.();
    this.stopMelody = melody ? this.sound.play(melody, volume) : null;
  }

  private note(...words: (string | undefined)[]): void {
    this.events.push(`${Math.round(performance.now())} ${words.filter(Boolean).join(' ')}`);
    if (this.events.length > eventLimit) this.events.shift();
  }
}
