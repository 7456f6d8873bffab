import { Store } from '../logic/store.ts';

type Stop = () => void;
interface Note { at: number; length: number; hz: number[] }
/** One bar of a melody that is played again and again, times in seconds. */
export interface Melody { bar: number; level: number; notes: Note[] }

export const melodies: Record<'ring' | 'mobile' | 'ringback', Melody> = {
  ring: {
    bar: 2.6, level: 0.25,
    notes: [0, 0.18, 0.36, 0.54, 0.9, 1.08, 1.26, 1.44].map((at, i) => ({ at, length: 0.16, hz: i % 2 ? [784, 1568] : [659, 1318] })),
  },
  mobile: {
    bar: 2.4, level: 0.16,
    notes: [988, 1319, 1175, 1319, 988].map((hz, i) => ({ at: i * 0.2, length: 0.18, hz: [hz] })),
  },
  // What a caller hears in Russia while the other phone rings (425 Hz, 1 s in 5).
  ringback: { bar: 5, level: 0.12, notes: [{ at: 0, length: 1, hz: [425] }] },
};

/** This page and, for the console in the demo's frame, the one around it: touching either is enough. */
function pages(): Window[] {
  try {
    return window.parent.location.origin === location.origin ? [...new Set([window, window.parent])] : [window];
  } catch {
    return [window]; // somebody else's page is around us
  }
}

const rows = [697, 770, 852, 941];
const columns = [1209, 1336, 1477];

/** Everything the page itself makes audible, made by WebAudio: there are no sound files. */
export class Sound extends Store<{ blocked: boolean }> {
  private audio: AudioContext | null = null;

  constructor() {
    super({ blocked: false });
    // Browsers keep a page silent until the person has touched it.
    for (const page of pages()) {
      for (const gesture of ['pointerdown', 'keydown']) page.addEventListener(gesture, () => this.wake(), { capture: true });
    }
  }

  /** The page's one AudioContext; it may be suspended, see blocked. */
  get context(): AudioContext {
    if (!this.audio) {
      const audio = new AudioContext();
      this.audio = audio;
      const look = () => this.set({ blocked: audio.state !== 'running' });
      audio.addEventListener('statechange', look);
      setTimeout(look, 300); // it starts as suspended and needs a moment even where it is allowed
    }
    return this.audio;
  }

  wake(): void {
    const audio = this.context;
    if (audio.state !== 'running') audio.resume().catch(() => undefined);
  }

  /** A stream of one quiet tone, to speak with where there is no microphone. */
  toneStream(hz: number): MediaStream {
    const audio = this.context;
    const oscillator = new OscillatorNode(audio, { frequency: hz });
    const level = new GainNode(audio, { gain: 0.1 });
    const out = new MediaStreamAudioDestinationNode(audio, { channelCount: 1 });
    oscillator.connect(level).connect(out);
    oscillator.start();
    return out.stream;
  }

  /** Plays the melody until the returned function is called. volume 0…1 */
  play(melody: Melody, volume = 1): Stop {
    const audio = this.context;
    this.wake();
    const out = new GainNode(audio, { gain: melody.level * volume });
    out.connect(audio.destination);
    let next = audio.currentTime + 0.05;
    const bar = () => {
      // After a sleep or a suspension the bars that were missed are not made up for.
      next = Math.max(next, audio.currentTime);
      for (const note of melody.notes) this.note(out, note.hz, next + note.at, note.length);
      next += melody.bar;
    };
    bar();
    const timer = setInterval(() => { if (audio.currentTime > next - 0.5) bar(); }, 200);
    return () => {
      clearInterval(timer);
      out.gain.setTargetAtTime(0, audio.currentTime, 0.01);
      setTimeout(() => out.disconnect(), 100);
    };
  }

  /** The keypad's own answer to a press; what goes down the line is sent by the phone. */
  key(digit: string): void {
    const at = '123456789*0#'.indexOf(digit);
    if (at < 0) return;
    const audio = this.context;
    const out = new GainNode(audio, { gain: 0.06 });
    out.connect(audio.destination);
    this.note(out, [rows[Math.floor(at / 3)]!, columns[at % 3]!], audio.currentTime, 0.12);
    setTimeout(() => out.disconnect(), 400);
  }

  private note(out: AudioNode, hz: number[], at: number, length: number): void {
    const audio = this.context;
    const envelope = new GainNode(audio, { gain: 0 });
    envelope.connect(out);
    envelope.gain.setValueAtTime(0, at);
    envelope.gain.linearRampToValueAtTime(1 / hz.length, at + 0.015);
    envelope.gain.setValueAtTime(1 / hz.length, at + length - 0.03);
    envelope.gain.linearRampToValueAtTime(0, at + length);
    for (const each of hz) {
      const oscillator = new OscillatorNode(audio, { frequency: each });
      oscillator.connect(envelope);
      oscillator.start(at);
      oscillator.stop(at + length + 0.02);
      oscillator.onended = () => oscillator.disconnect();
    }
  }
}
