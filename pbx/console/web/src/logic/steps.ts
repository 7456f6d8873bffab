import { word, type Key, type Translate } from '../i18n/index.ts';

/** A step of a CDR in the reader's language. The exchange writes them in English; one it adds later shows as it is. Pure. */
const patterns: [RegExp, Key, ...(string | null)[]][] = [
  [/^look up order$/, 'step.lookup'],
  [/^number withheld$/, 'step.withheld'],
  [/^no order$/, 'step.no_order'],
  [/^order look-up: (.+)$/, 'step.lookup_failed', 'result'],
  [/^order (\S+)$/, 'step.order', null],
  [/^menu: (\S+)$/, 'step.menu', 'status'],
  [/^no choice made$/, 'step.no_choice'],
  [/^chose driver$/, 'step.chose_driver'],
  [/^chose operator$/, 'step.chose_operator'],
  [/^dial (\w+)$/, 'step.dial', 'party'],
  [/^(client|driver|target) answered$/, 'step.answered', 'party'],
  [/^(client|driver|target): (.+)$/, 'step.party', 'party', 'result'],
  [/^talk to operator (\S+)$/, 'step.talk_operator', null],
  [/^talk to (\w+)$/, 'step.talk', 'party'],
  [/^wait for operator$/, 'step.wait'],
  [/^ring operator (\S+)$/, 'step.ring_operator', null],
  [/^no operator came free$/, 'step.none_free'],
  [/^operator (\S+) dials$/, 'step.dials', null],
  [/^operator (\S+): (.+)$/, 'step.operator', null, 'result'],
  [/^number not allowed$/, 'step.not_allowed'],
  [/^connect client and driver$/, 'step.connect'],
  [/^a fault of ours$/, 'step.fault'],
  [/^ended: (.+)$/, 'step.ended', 'result'],
];

export function stepText(t: Translate, what: string): string {
  for (const [pattern, key, ...groups] of patterns) {
    const match = pattern.exec(what);
    if (!match) continue;
    const params: Record<string, string> = {};
    groups.forEach((group, i) => {
      const value = match[i + 1]!;
      params[i + 1] = group ? word(t, group, value) : value;
    });
    return t(key, params);
  }
  return what;
}
