import type { CDR } from '../net/types.ts';

/** What the call history asks of a record. Pure. */

/** A client wanted a human and none talked to them. */
export function missed(call: CDR): boolean {
  return call.kind === 'inbound' && call.ended !== null && call.talked_seconds === 0 && call.steps.some((step) => step.what === 'wait for operator');
}

/** A talk of a call that is over was recorded. */
export function recorded(call: CDR): boolean {
  return call.ended !== null && call.steps.some((step) => step.what === 'the talk is recorded');
}

/** Whether the digits somebody typed are part of a number of the call. */
export function hasNumber(call: CDR, text: string): boolean {
  const digits = text.replace(/\D/g, '').replace(/^8(?=\d{10}$)/, '7');
  if (digits === '') return true;
  return [call.from, call.to, call.line, ...call.legs.map((leg) => leg.number)].some((number) => number.replace(/\D/g, '').includes(digits));
}
