import type { Measure } from './types.ts';
import type { Sound } from './sound.ts';

/** The other side's audio: played, and measured so that tests prove it by content. */
export class Hearing {
  private element = new Audio();
  private analyser: AnalyserNode | null = null;
  private source: MediaStreamAudioSourceNode | null = null;

  constructor(private sound: Sound) {
    this.element.autoplay = true;
  }

  attach(stream: MediaStream): void {
    this.detach();
    // Chrome feeds a remote stream into WebAudio only while an element plays it.
    this.element.srcObject = stream;
    this.play();
    const audio = this.sound.context;
    this.source = audio.createMediaStreamSource(stream);
    this.analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0 });
    this.source.connect(this.analyser);
  }

  /** Once more after the page was touched, where the browser had refused. */
  play(): void {
    if (this.element.srcObject) this.element.play().catch(() => undefined);
  }

  detach(): void {
    this.source?.disconnect();
    this.source = null;
    this.analyser = null;
    this.element.srcObject = null;
  }

  get volume(): number {
    return this.element.muted ? 0 : this.element.volume;
  }

  set volume(volume: number) {
    this.element.volume = Math.min(1, Math.max(0, volume));
    this.element.muted = volume <= 0;
  }

  measure(): Measure | null {
    const { analyser } = this;
    if (!analyser) return null;
    const rate = analyser.context.sampleRate;
    const hz = (bin: number) => (bin * rate) / analyser.fftSize;
    const spectrum = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(spectrum);
    let peak = 1;
    for (let bin = 1; bin < spectrum.length; bin++) if (spectrum[bin]! > spectrum[peak]!) peak = bin;
    let next = -200;
    for (let bin = 2; bin < spectrum.length; bin++) {
      if (Math.abs(hz(bin) - hz(peak)) > 60 && spectrum[bin]! > next) next = spectrum[bin]!;
    }
    return {
      hz: Math.round(hz(peak)), db: finite(spectrum[peak]!), next_db: finite(next),
      rms: Number(this.level().toFixed(4)), context: analyser.context.state,
    };
  }

  /** Loudness now, 0…1. */
  level(): number {
    if (!this.analyser) return 0;
    const samples = new Float32Array(1024);
    this.analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    return Math.sqrt(sum / samples.length);
  }
}

function finite(db: number): number {
  return Number.isFinite(db) ? Number(db.toFixed(1)) : -200;
}
