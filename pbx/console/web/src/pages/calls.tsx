import { render, type ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from '../desk/cards.ts';
import { word } from '../i18n/index.ts';
import { clock, dayUnlessToday, phoneText, since, span } from '../logic/format.ts';
import { hasNumber, missed } from '../logic/history.ts';
import { stepText } from '../logic/steps.ts';
import { Api } from '../net/api.ts';
import type { CDR, LegRecord, Me } from '../net/types.ts';
import { Header } from '../ui/Header.tsx';
import { Gate } from '../ui/Login.tsx';
import { Dial, PhoneLink, dialElsewhere } from '../ui/PhoneLink.tsx';
import { Recordings } from '../ui/Recordings.tsx';
import { useNow, useT } from '../ui/settings.ts';
import '../style.css';

const api = new Api();
const refreshMs = 3_000;
const pageSize = 500;
const mostRows = 1_000;
const periods = { day: 1, week: 7, month: 30 } as const;
type Period = keyof typeof periods;

async function history(days: number): Promise<CDR[]> {
  const from = new Date(Date.now() - days * 86_400_000);
  const all: CDR[] = [];
  for (let after = ''; all.length < mostRows;) {
    const page = await api.cdrs(from, after, pageSize);
    all.push(...(page.cdrs ?? []));
    if ((page.cdrs ?? []).length < pageSize || !page.next) break;
    after = page.next;
  }
  return all;
}

function useCalls(period: Period) {
  const [calls, setCalls] = useState<CDR[] | null>(null);
  const [live, setLive] = useState<CDR[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const asked = useRef(0);
  const listed = useRef('');
  const load = useCallback(async (all = true) => {
    const number = ++asked.current;
    try {
      const now = await api.liveCalls();
      // A call is written down when it stops being live: only then the history is asked again.
      const list = `${period} ${now.map((call) => call.id).join(' ')}`;
      const past = all || list !== listed.current ? await history(periods[period]) : null;
      if (number !== asked.current) return;
      listed.current = list;
      setLive(now.reverse());
      if (past) setCalls(past);
      setTrouble(null);
    } catch (error) {
      if (number === asked.current) setTrouble(errorText(error));
    }
  }, [period]);
  useEffect(() => {
    void load();
    const timer = setInterval(() => { if (!document.hidden) void load(false); }, refreshMs);
    return () => clearInterval(timer);
  }, [load]);
  return { calls, live, trouble, load };
}

function Calls(props: { me: Me }) {
  const t = useT();
  const [period, setPeriod] = useState<Period>('day');
  const [text, setText] = useState('');
  const [onlyMissed, setOnlyMissed] = useState(false);
  const [open, setOpen] = useState('');
  const { calls, live, trouble, load } = useCalls(period);
  const now = useNow();
  const shown = [...live, ...(calls ?? []).filter((call) => !live.some((each) => each.id === call.id))].filter((call) => hasNumber(call, text) && (!onlyMissed || missed(call)));
  return (
    <Dial.Provider value={dialElsewhere}>
      <Header here="calls" firm={props.me.firm} />
      <main class="list">
        <div class="filters">
          <h1>{t('calls.title')}</h1>
          <label class="check">{t('calls.period')}
            <select value={period} data-testid="period" onChange={(e) => setPeriod(e.currentTarget.value as Period)}>
              {(Object.keys(periods) as Period[]).map((each) => <option key={each} value={each}>{t(`calls.period.${each}`)}</option>)}
            </select>
          </label>
          <input type="tel" placeholder={t('calls.search')} aria-label={t('calls.search')} data-testid="search" maxLength={24} value={text}
            onInput={(e) => setText(e.currentTarget.value)} />
          <label class="check"><input type="checkbox" checked={onlyMissed} data-testid="missed-only" onChange={(e) => setOnlyMissed(e.currentTarget.checked)} />{t('calls.missed')}</label>
          <span class="grow" />
          {(calls?.length ?? 0) >= mostRows && <span class="muted">{t('calls.more', { n: mostRows })}</span>}
          <button class="button" data-testid="refresh" onClick={() => void load()}>{t('calls.refresh')}</button>
        </div>
        {trouble !== null && <p class="notice bad" role="alert" data-testid="calls-error">{t('calls.failed', { why: trouble || t('card.noserver') })}</p>}
        <table class="fixed" data-testid="calls">
          <thead>
            <tr>
              <th class="c-time">{t('calls.col.time')}</th><th class="c-kind">{t('calls.col.kind')}</th><th class="c-phone">{t('calls.col.from')}</th><th class="c-phone">{t('calls.col.to')}</th>
              <th class="c-phone">{t('calls.col.line')}</th><th>{t('calls.col.result')}</th><th class="num c-waited">{t('calls.col.waited')}</th><th class="num c-talked">{t('calls.col.talked')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((call) => (
              <Row key={call.id} call={call} now={now} open={open === call.id} onOpen={() => setOpen(open === call.id ? '' : call.id)}>
                <Detail call={call} listen={props.me.listen} />
              </Row>
            ))}
          </tbody>
        </table>
        {calls && shown.length === 0 && <p class="none" data-testid="no-calls">{t('calls.none')}</p>}
      </main>
    </Dial.Provider>
  );
}

function Row(props: { call: CDR; now: number; open: boolean; onOpen: () => void; children: ComponentChildren }) {
  const t = useT();
  const { call } = props;
  const talker = call.legs.find((leg) => leg.party === 'operator' && leg.answered)?.operator;
  const result = !call.ended ? `${t('result.live')}: ${word(t, 'state', call.state)}` : missed(call) && call.result === 'hung up' ? t('result.missed') : word(t, 'result', call.result);
  const tone = !call.ended ? 'good' : missed(call) ? 'bad' : '';
  const onKey = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || (event.key !== 'Enter' && event.key !== ' ')) return;
    event.preventDefault();
    props.onOpen();
  };
  return (
    <>
      <tr class={`row opens ${props.open ? 'open' : ''}`} tabIndex={0} aria-expanded={props.open} data-testid={`call-${call.id}`} data-result={call.result}
        data-state={call.ended ? 'ended' : call.state} onClick={props.onOpen} onKeyDown={onKey}>
        <td class="nowrap">{dayUnlessToday(call.started, props.now)} {clock(call.started, true)}</td>
        <td class="nowrap">{word(t, 'kind', call.kind)}</td>
        <td class="nowrap">{call.kind === 'outgoing' ? (talker ?? t('party.operator')) : phoneText(call.from) || t('call.withheld')}</td>
        <td class="nowrap">{phoneText(call.to) || talker || '—'}</td>
        <td class="nowrap"><span class="number">{phoneText(call.line)}</span>{call.branch && <div class="small muted">{call.branch}</div>}</td>
        <td><span class={`result ${tone}`}>{result}</span></td>
        <td class="num">{call.waited_seconds >= 0.5 ? span(call.waited_seconds) : '—'}</td>
        <td class="num">{!call.ended && call.state === 'talking' && call.answered ? span(since(call.answered, props.now)) : call.talked_seconds >= 0.5 ? span(call.talked_seconds) : '—'}</td>
      </tr>
      {props.open && <tr><td class="detail" colSpan={8}>{props.children}</td></tr>}
    </>
  );
}

function Detail({ call, listen }: { call: CDR; listen: boolean }) {
  const t = useT();
  return (
    <div class="detail-grid" data-testid={`detail-${call.id}`}>
      <section>
        <h3>{t('calls.steps')}</h3>
        <ul class="steps">
          {call.steps.map((step, i) => (
            <li key={i} data-step={step.what}><span class="time muted">{clock(step.at, true)}</span><span>{stepText(t, step.what)}</span></li>
          ))}
        </ul>
      </section>
      <section>
        <h3>{t('calls.legs')}</h3>
        <table>
          <thead><tr>
            <th>{t('calls.leg.party')}</th><th>{t('calls.leg.number')}</th><th>{t('calls.leg.answered')}</th><th>{t('calls.leg.ended')}</th>
            <th>{t('calls.leg.cause')}</th><th>{t('calls.leg.audio')}</th>
          </tr></thead>
          <tbody>{call.legs.map((leg, i) => <Leg key={i} leg={leg} />)}</tbody>
        </table>
        {listen && <Recordings api={api} call={call} />}
        <p class="small muted">{call.order_id && `${t('calls.order')} ${call.order_id} · `}{t('calls.id')} {call.id}</p>
      </section>
    </div>
  );
}

function Leg({ leg }: { leg: LegRecord }) {
  const t = useT();
  const audio = leg.audio;
  const silent = !audio || (audio.received === 0 && audio.sent === 0);
  return (
    <tr data-testid={`leg-${leg.party}`}>
      <td>{word(t, 'party', leg.party)}</td>
      <td class="nowrap">{leg.operator || <PhoneLink phone={leg.number} />}</td>
      <td class="nowrap">{clock(leg.answered, true)}</td>
      <td class="nowrap">{clock(leg.ended, true)}</td>
      <td>{leg.cause ? word(t, 'result', leg.cause) : '—'}{leg.code >= 300 && <span class="muted"> · {leg.code}</span>}</td>
      <td class="small">{silent ? (leg.answered ? t('calls.leg.silent') : '—')
        : t('calls.leg.audio.text', { received: audio.received, sent: audio.sent, lost: audio.lost, jitter: Math.round(audio.jitter_ms) })}
        {audio?.mos != null && <span class="nowrap">, {t('calls.leg.audio.mos', { mos: audio.mos.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 }) })}</span>}
        {audio?.mute && <div class="bad">{t('calls.leg.audio.mute')}</div>}</td>
    </tr>
  );
}

render(<Gate api={api}>{(me) => <Calls me={me} />}</Gate>, document.getElementById('app')!);
