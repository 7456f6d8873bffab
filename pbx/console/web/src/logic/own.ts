import type { LineState } from '../phone/types.ts';
import type { MicState } from '../phone/microphone.ts';

/** The operator's own state, told from all that must work for a call to reach them. Pure. */

export interface Signs {
  mic: MicState;
  line: LineState; // of the SIP registration
  server: 'unknown' | 'up' | 'down'; // does the exchange answer over HTTP
  seen: boolean; // does the exchange count us as online
  unseenFor: number; // seconds it has not, although the line is up
  ready: boolean;
  call: 'none' | 'ringing' | 'busy';
}

export type Own =
  | { kind: 'starting' }
  | { kind: 'dead'; why: Why }
  | { kind: 'free' | 'pause' | 'ringing' | 'busy' };

/** Why no call can come, worst first; each has its words and its mend. */
export type Why =
  | 'mic_insecure' | 'mic_missing' | 'mic_blocked' | 'mic_lost' | 'mic_failed'
  | 'server' | 'socket' | 'refused' | 'register' | 'unseen';

const unseenLimit = 8; // s; the exchange needs a moment to notice a registration

export function whyDead(s: Signs): Why | null {
  switch (s.mic) {
    case 'insecure': return 'mic_insecure';
    case 'missing': return 'mic_missing';
    case 'blocked': return 'mic_blocked';
    case 'lost': return 'mic_lost';
    case 'failed': return 'mic_failed';
  }
  if (s.server === 'down') return 'server';
  if (s.line === 'down') return 'socket';
  if (s.line === 'refused') return 'refused';
  if (s.line === 'failed') return 'register';
  if (s.line === 'up' && !s.seen && s.unseenFor > unseenLimit) return 'unseen';
  return null;
}

export function own(s: Signs): Own {
  const why = whyDead(s);
  // A call that talks goes on without the exchange's pages; it is told as busy with a warning beside it.
  if (s.call !== 'none' && (why === null || s.call === 'busy')) return { kind: s.call };
  if (why) return { kind: 'dead', why };
  if (s.mic !== 'ok' || s.line !== 'up') return { kind: 'starting' };
  return { kind: s.ready ? 'free' : 'pause' };
}
