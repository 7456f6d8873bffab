import { word, type Key, type Translate } from '../i18n/index.ts';

/**
 * A step of a CDR in the reader's language. The exchange writes them in English;
 * one that it learns later shows as it is. Pure.
 *
 * Each row: the step, its words, and which table the caught values are words of
 * (null: they stay as they are).
 */
const rows: [RegExp, Key, ...(string | null)[]][] = [
  [/^look up order$/, 'step.lookup'],
  [/^number withheld$/, 'step.withheld'],
  [/^no order$/, 'step.no_order'],
  [/^order look-up: (.+)$/, 'step.lookup_failed', 'result'],
  [/^order (\S+)$/, 'step.order', null],
  [/^menu: (\S+)$/, 'step.menu', 'status'],
  [/^no choice made$/, 'step.no_choice'],
  [/^chose driver$/, 'step.chose_driver'],
  [/^chose operator$/, 'step.chose_operator'],
  [/^talk to operator (\S+)$/, 'step.talk_operator', null],
  [/^wait for operator$/, 'step.wait'],
  [/^ring operator (\S+)$/, 'step.ring_operator', null],
  [/^no operator came free$/, 'step.none_free'],
  [/^operator (\S+) dials$/, 'step.dials', null],
  [/^operator (\S+): (.+)$/, 'step.operator', null, 'result'],
  [/^number not allowed$/, 'step.not_allowed'],
  [/^connect client and driver$/, 'step.connect'],
  [/^the client returns a missed call$/, 'step.returns.client'],
  [/^the driver returns a missed call$/, 'step.returns.driver'],
  [/^the client calls about something lost$/, 'step.lost.client'],
  [/^the driver calls about something lost$/, 'step.lost.driver'],
  [/^the driver of (.+) calls, who has no order now$/, 'step.driver_idle', null],
  [/^the driver of (.+) calls$/, 'step.driver_calls', null],
  [/^menu: two orders$/, 'step.two_orders'],
  [/^chose order (\S+)$/, 'step.chose_order', null],
  [/^a fault of ours$/, 'step.fault'],
  [/^operator (\S+) hands over to operator (\S+)$/, 'step.handOver.operator', null, null],
  [/^operator (\S+) hands over to (.+)$/, 'step.handOver', null, null],
  [/^operator (\S+) joins two calls$/, 'step.joins', null],
  [/^hand-over: (.+)$/, 'step.handFailed', 'result'],
  [/^back to operator (\S+)$/, 'step.back', null],
  [/^notice: (\S+), call (\d+)$/, 'step.notice', 'status', null],
  [/^notice: (\S+) by now$/, 'step.notice_newer', 'status'],
  [/^say: (\S+)$/, 'step.menu', 'status'],
  [/^no key pressed$/, 'step.no_key'],
  [/^a machine's greeting was heard$/, 'step.machine'],
  [/^chose (coming_out|five_minutes|cancel|keep_looking)$/, 'step.chose', 'answer'],
  [/^dispatch took the answer$/, 'step.answer_taken'],
  [/^dispatch refused the answer$/, 'step.answer_refused'],
  [/^answer left for dispatch: .+$/, 'step.answer_left'],
  [/^ended: (.+)$/, 'step.ended', 'result'],
];

for (const party of ['client', 'driver', 'target', 'operator'] as const) {
  rows.push(
    [new RegExp(`^${party} holds$`), `step.holds.${party}`],
    [new RegExp(`^${party} goes on$`), `step.goesOn.${party}`],
    [new RegExp(`^${party} goes on in another call$`), `step.elsewhere.${party}`],
    [new RegExp(`^${party} is not heard$`), `step.unheard.${party}`],
    [new RegExp(`^dial ${party}$`), `step.dial.${party}`],
    [new RegExp(`^${party} answered$`), `step.answered.${party}`],
    [new RegExp(`^${party}: (.+)$`), `step.party.${party}`, 'result'],
  );
}
for (const party of ['client', 'driver', 'target'] as const) rows.push([new RegExp(`^talk to ${party}$`), `step.talk.${party}`]);

export function stepText(t: Translate, what: string): string {
  for (const [pattern, key, ...groups] of rows) {
    const match = pattern.exec(what);
    if (!match) continue;
    const params: Record<string, string> = {};
    groups.forEach((group, i) => { params[i + 1] = group ? word(t, group, match[i + 1]!) : match[i + 1]!; });
    return t(key, params);
  }
  return what;
}
