import type { Measure, PhoneView } from './phone/types.ts';

/** What tests and people at the browser's console see of a telephone. */
export interface PhoneDebug {
  readonly phone: PhoneView;
  readonly events: string[];
  measure(): Measure | null;
  stats(): Promise<Record<string, unknown>>;
  mute(on: boolean): void;
}

declare global {
  interface Window {
    /** The debug object; README.md lists what each page has in it. */
    cabline?: Record<string, unknown> & Partial<PhoneDebug>;
  }
}
