import { Store } from '../logic/store.ts';
import type { Sound } from './sound.ts';

/** asking: the browser is asking the person; insecure: the page came over plain http, so it may not even ask. */
export type MicState = 'off' | 'asking' | 'ok' | 'missing' | 'blocked' | 'lost' | 'failed' | 'insecure';

const constraints: MediaStreamConstraints = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true }, video: false,
};

export interface StandIn {
  hz: number;
  always: boolean; // even where there is a microphone
}

/**
 * The microphone, held open from login on: a call is answered at once, and a
 * headset that was pulled out is known before a client waits on it. In the demo
 * a quiet tone stands in where there is none.
 */
export class Microphone extends Store<{ state: MicState; tone: boolean; silent: boolean }> {
  private stream: MediaStream | null = null;
  private attempt = 0;
  private opening: Promise<void> = Promise.resolve();

  constructor(private sound: Sound, private standIn: StandIn | null = null) {
    super({ state: 'off', tone: false, silent: false });
    navigator.mediaDevices?.addEventListener('devicechange', () => {
      if (['missing', 'lost', 'failed'].includes(this.value.state)) void this.open();
    });
    navigator.permissions?.query({ name: 'microphone' as PermissionName }).then((permission) => {
      permission.addEventListener('change', () => {
        if (permission.state === 'granted' && this.value.state === 'blocked') void this.open();
        if (permission.state === 'denied' && this.value.state === 'ok' && !this.value.tone) this.fail('blocked');
      });
    }, () => undefined); // Firefox does not know the name; track.onended still tells
  }

  open(): Promise<void> {
    this.opening = this.tryOpen();
    return this.opening;
  }

  private async tryOpen(): Promise<void> {
    const attempt = ++this.attempt;
    this.drop();
    if (this.standIn?.always) return this.useTone();
    if (!navigator.mediaDevices?.getUserMedia) return this.standIn ? this.useTone() : this.fail('insecure');
    this.set({ state: 'asking' });
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(constraints);
    } catch (error) {
      if (attempt !== this.attempt) return;
      return this.standIn ? this.useTone() : this.fail(reasonOf(error));
    }
    const track = stream.getAudioTracks()[0];
    if (attempt !== this.attempt || !track) {
      stream.getTracks().forEach((each) => each.stop());
      return;
    }
    track.addEventListener('ended', () => this.stream === stream && this.fail('lost'));
    track.addEventListener('mute', () => this.stream === stream && this.set({ silent: true }));
    track.addEventListener('unmute', () => this.stream === stream && this.set({ silent: false }));
    this.stream = stream;
    this.set({ state: 'ok', tone: false, silent: track.muted });
  }

  close(): void {
    this.attempt++;
    this.drop();
    this.set({ state: 'off', tone: false, silent: false });
  }

  /**
   * A copy for one call, so that muting one call does not mute the next; waits
   * while the browser asks the person. Null when there is nothing to speak with.
   */
  async take(): Promise<MediaStream | null> {
    await this.opening;
    return this.stream ? this.stream.clone() : null;
  }

  private useTone(): void {
    this.stream = this.sound.toneStream(this.standIn!.hz);
    this.set({ state: 'ok', tone: true, silent: false });
  }

  private fail(state: MicState): void {
    this.drop();
    this.set({ state, tone: false, silent: false });
  }

  private drop(): void {
    const stream = this.stream;
    this.stream = null;
    stream?.getTracks().forEach((track) => track.stop());
  }
}

function reasonOf(error: unknown): MicState {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotFoundError': case 'OverconstrainedError': return 'missing';
    case 'NotAllowedError': case 'SecurityError': return 'blocked';
    default: return 'failed'; // NotReadableError: another program has it
  }
}
