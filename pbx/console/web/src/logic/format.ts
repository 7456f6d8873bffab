/** Numbers, times and money as people read them. Pure. */

/** What stands for a number where operators see none: +7***4567~ABCD…, the number masked and a seal. */
const alias = /^([+0-9]*\*{3}\d*)~[A-Z2-7]{26}$/i;

/** +79161234567 → +7 916 123-45-67, an alias without its seal; anything else stays as it is. */
export function phoneText(phone: string): string {
  const masked = alias.exec(phone);
  if (masked) return masked[1]!;
  const russian = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(phone);
  return russian ? `+7 ${russian[1]} ${russian[2]}-${russian[3]}-${russian[4]}` : phone;
}

/** A number in a box: of an alias what may be seen, until somebody writes over it. */
export const boxText = (phone: string): string => (alias.test(phone) ? phoneText(phone) : phone);

/** The user of a SIP address: of an alias the seal alone. */
export const userOf = (number: string): string => number.replace(/^.*~/, '~');

/** What a person typed, as the exchange takes it: digits with an optional plus, or an alias; empty when it is no number. */
export function dialable(text: string): string {
  if (alias.test(text.trim())) return text.trim();
  if (!/^[+0-9 ().\u00a0-]*$/.test(text)) return '';
  const plus = text.trim().startsWith('+');
  const digits = text.replace(/\D/g, '');
  if (digits.length < 3 || digits.length > 15) return '';
  if (plus) return digits.length > 6 ? `+${digits}` : '';
  if (digits.length === 11 && (digits[0] === '8' || digits[0] === '7')) return `+7${digits.slice(1)}`;
  if (digits.length === 10 && digits[0] === '9') return `+7${digits}`;
  return digits;
}

/** Whole seconds as 0:07, 12:40, 1:05:09. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds since an RFC 3339 time, never negative: clocks of two machines differ. */
export function since(at: string, now: number): number {
  return Math.max(0, (now - Date.parse(at)) / 1000);
}

export function clock(at: string | null | undefined, withSeconds = false): string {
  if (!at) return '—';
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return '—';
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  if (withSeconds) options.second = '2-digit';
  return time.toLocaleTimeString('ru', options);
}

/** 14.11, or nothing when it is today. */
export function dayUnlessToday(at: string, now: number): string {
  const day = new Date(at);
  if (day.toDateString() === new Date(now).toDateString()) return '';
  return day.toLocaleDateString('ru', { day: '2-digit', month: '2-digit' });
}

export function carText(car: { color: string; mark: string; model: string; plate: string }): string {
  return [car.color, car.mark, car.model, car.plate].filter(Boolean).join(' ');
}
