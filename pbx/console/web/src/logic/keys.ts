/** Which key does what. Pure: the page feeds it what the browser told. */

export interface Press {
  key: string;
  repeat: boolean;
  modified: boolean; // Ctrl, Alt or Meta is down
  typing: boolean; // the focus is where text is written
}
export type Phase = 'none' | 'ringing' | 'calling' | 'talking';
export type Action = 'answer' | 'reject' | 'hang_up' | 'mute' | 'hold' | null;

/**
 * Space, Enter and Esc belong to the text while someone is typing: a call that
 * starts to ring in mid-word must not be answered or refused by the next letter.
 * The F keys work everywhere.
 */
export function action(press: Press, phase: Phase): Action {
  if (press.repeat || press.modified || phase === 'none') return null;
  const plain = !press.typing;
  if (phase === 'ringing') {
    if (press.key === 'F2' || (plain && (press.key === ' ' || press.key === 'Enter'))) return 'answer';
    if (press.key === 'F4' || (plain && press.key === 'Escape')) return 'reject';
    return null;
  }
  if (press.key === 'F4' || (phase === 'calling' && plain && press.key === 'Escape')) return 'hang_up';
  if (phase !== 'talking') return null;
  if (press.key === 'F8') return 'mute';
  if (press.key === 'F9') return 'hold';
  return null;
}

/** The keypad key a keyboard key stands for, or nothing. */
export function digit(key: string): string {
  return /^[0-9*#]$/.test(key) ? key : '';
}
