import { word, type Key, type Translate } from '../i18n/index.ts';
import { span } from './format.ts';

/**
 * Steps of calls and of notices in the reader's language. The exchange writes
 * them in English; one that it learns later shows as it is. Pure.
 *
 * Each row: the step, its words, and what becomes of the caught values: words of
 * a table, or what a function makes of them (null: they stay as they are).
 */
type Row = [RegExp, Key, ...(string | null | ((t: Translate, text: string) => string))[]];

const rows: Row[] = [
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
  [/^operator (\S+) asks for a call$/, 'step.asks', null],
  [/^look-up of a driver's orders: (.+)$/, 'step.lookup_failed', 'result'],
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
  [/^the talk is recorded$/, 'step.recorded'],
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

/** Of a step in a notice's journal. */
const journal: Row[] = [
  [/^to be told$/, 'journal.to_be_told'],
  [/^notices are off$/, 'journal.off'],
  [/^no calls about this status$/, 'journal.status_off'],
  [/^the client asked for it$/, 'journal.by_client'],
  [/^no telephone number$/, 'journal.no_phone'],
  [/^no text for this status$/, 'journal.no_text'],
  [/^the client wants no calls$/, 'journal.opted_out'],
  [/^outside the hours, and old by the next ones$/, 'journal.hours'],
  [/^too old to be told$/, 'journal.old'],
  [/^the client was talking to us$/, 'journal.talking'],
  [/^newer news was here before it$/, 'journal.newer_here'],
  [/^its notice came$/, 'journal.came'],
  [/^read from the dispatch system; (.+)$/, 'journal.read', noticeStepText],
  [/^call (\d+)$/, 'journal.call', null],
  [/^the order is (\S+) by now$/, 'step.notice_newer', 'status'],
  [/^(?:superseded )?by (\S+), as the client answered$/, 'journal.by_answered', 'status'],
  [/^(?:superseded )?by (\S+)$/, 'step.notice_newer', 'status'],
  [/^the client answered$/, 'step.answered.client'],
  [/^the client is told$/, 'journal.telling'],
  [/^told in the call for (\S+)$/, 'journal.told_with', 'status'],
  [/^told in call (\S+)$/, 'journal.told_in', null],
  [/^heard$/, 'journal.heard'],
  [/^heard in line$/, 'journal.heard_waiting'],
  [/^heard in the menu$/, 'journal.heard_menu'],
  [/^key: (\S+)$/, 'journal.key', 'key'],
  [/^answer: (\S+)$/, 'step.chose', 'answer'],
  [/^a machine's greeting was heard$/, 'step.machine'],
  [/^cut off$/, 'journal.cut_off'],
  [/^no free channel$/, 'journal.no_channel'],
  [/^the exchange ended while it was (\w+)$/, 'journal.interrupted', 'notice'],
  [/^the exchange ended while it was (\w+), for the second time$/, 'journal.interrupted_twice', 'notice'],
  [/^(.+); (\S+) came meanwhile$/, 'journal.meanwhile', noticeStepText, 'status'],
  [/^completed; again in (\S+)$/, 'journal.unkeyed_again', (_, text) => duration(text)],
  [/^completed$/, 'step.no_key'],
  [/^(.+); again in (\S+)$/, 'journal.again', 'result', (_, text) => duration(text)],
  [/^(.+)$/, 'journal.ended', 'result'],
];

/** 1h2m3s, as Go writes it, as 1:02:03. */
function duration(text: string): string {
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(\d+)s$/.exec(text);
  if (!parts) return text;
  const [hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0)) as [number, number, number];
  return span((hours * 60 + minutes) * 60 + seconds);
}

export const stepText = (t: Translate, what: string): string => told(rows, t, what);
export function noticeStepText(t: Translate, what: string): string { return told(journal, t, what); }

function told(table: Row[], t: Translate, what: string): string {
  for (const [pattern, key, ...groups] of table) {
    const match = pattern.exec(what);
    if (!match) continue;
    const params: Record<string, string> = {};
    groups.forEach((group, i) => {
      const caught = match[i + 1]!;
      params[i + 1] = group === null ? caught : typeof group === 'string' ? word(t, group, caught) : group(t, caught);
    });
    return t(key, params);
  }
  return what;
}
