import type { CDR, DemoInfo } from '../net/types.ts';

/** Which call the demo follows. Pure. */

const shownSteps = 12;

export function ofThisClient(call: CDR, info: Pick<DemoInfo, 'client' | 'driver'>): boolean {
  const numbers = [info.client.number, info.driver.number];
  return numbers.includes(call.from) || numbers.includes(call.to) || call.kind === 'outgoing';
}

export function steps(call: CDR | null): CDR['steps'] {
  return call ? call.steps.slice(-shownSteps) : [];
}
