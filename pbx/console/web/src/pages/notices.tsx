import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { errorText } from '../desk/cards.ts';
import { word } from '../i18n/index.ts';
import { clock, dayUnlessToday } from '../logic/format.ts';
import { noticeStepText } from '../logic/steps.ts';
import { Api } from '../net/api.ts';
import { noticeStates, type Me, type Notice, type NoticeStep, type OptOut } from '../net/types.ts';
import { Header } from '../ui/Header.tsx';
import { Gate } from '../ui/Login.tsx';
import { Dial, PhoneLink, dialElsewhere } from '../ui/PhoneLink.tsx';
import { useNow, useT } from '../ui/settings.ts';
import '../style.css';

const api = new Api();
const refreshMs = 3_000;
const pageSize = 200;

function Notices(props: { me: Me }) {
  const t = useT();
  const now = useNow();
  const [state, setState] = useState('');
  const [phone, setPhone] = useState('');
  const [found, setFound] = useState<Notice[] | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [open, setOpen] = useState(0);
  const load = useCallback(async () => {
    try {
      setFound(await api.notices({ state, phone, limit: pageSize }));
      setTrouble(null);
    } catch (error) {
      setTrouble(errorText(error));
    }
  }, [state, phone]);
  useEffect(() => {
    void load();
    const timer = setInterval(() => { if (!document.hidden) void load(); }, refreshMs);
    return () => clearInterval(timer);
  }, [load]);
  return (
    <Dial.Provider value={dialElsewhere}>
      <Header here="notices" firm={props.me.firm} />
      <main class="list">
        <div class="filters">
          <h1>{t('notices.title')}</h1>
          <label class="check">{t('notices.state')}
            <select value={state} data-testid="notice-state" onChange={(e) => setState(e.currentTarget.value)}>
              <option value="">{t('notices.state.all')}</option>
              {noticeStates.map((each) => <option key={each} value={each}>{word(t, 'notice', each)}</option>)}
            </select>
          </label>
          <input type="tel" placeholder={t('notices.phone')} aria-label={t('notices.phone')} data-testid="notice-phone" maxLength={24}
            onChange={(e) => setPhone(e.currentTarget.value.trim())} />
          <span class="grow" />
          <button class="button" data-testid="refresh" onClick={() => void load()}>{t('calls.refresh')}</button>
        </div>
        {trouble !== null && <p class="notice bad" role="alert" data-testid="notices-error">{t('notices.failed', { why: trouble || t('card.noserver') })}</p>}
        <table class="fixed" data-testid="notices">
          <thead>
            <tr>
              <th class="c-time">{t('calls.col.time')}</th><th class="c-kind">{t('calls.order')}</th><th>{t('notices.status')}</th><th class="c-phone">{t('notices.client')}</th>
              <th>{t('notices.outcome')}</th><th class="num c-waited">{t('notices.tries')}</th><th>{t('notices.answer')}</th>
            </tr>
          </thead>
          <tbody>
            {found?.map((each) => (
              <Row key={each.id} notice={each} now={now} open={open === each.id} onOpen={() => setOpen(open === each.id ? 0 : each.id)} />
            ))}
          </tbody>
        </table>
        {found?.length === 0 && <p class="none" data-testid="no-notices">{t('notices.none')}</p>}
        <OptOuts />
      </main>
    </Dial.Provider>
  );
}

function Row(props: { notice: Notice; now: number; open: boolean; onOpen: () => void }) {
  const t = useT();
  const { notice } = props;
  return (
    <>
      <tr class={`row opens ${props.open ? 'open' : ''}`} tabIndex={0} aria-expanded={props.open} data-testid={`notice-${notice.id}`} data-state={notice.state}
        onClick={props.onOpen} onKeyDown={(event) => { if (event.key === 'Enter') props.onOpen(); }}>
        <td class="nowrap">{dayUnlessToday(notice.at, props.now)} {clock(notice.at, true)}</td>
        <td class="nowrap">{notice.order_id}</td>
        <td>{word(t, 'status', notice.status)}</td>
        <td class="nowrap"><PhoneLink phone={notice.phone} /></td>
        <td>
          <span class={`result ${tone(notice.state)}`}>{word(t, 'notice', notice.state)}</span>
          {notice.due && <span class="muted"> · {clock(notice.due, true)}</span>}
          {explained.includes(notice.state) && notice.why !== 'to be told' && <div class="small muted">{noticeStepText(t, notice.why)}</div>}
          {notice.machine && <div class="small muted">{t('notices.machine')}</div>}
        </td>
        <td class="num">{notice.tries || '—'}</td>
        <td>{notice.answer ? word(t, 'answer', notice.answer) : '—'}</td>
      </tr>
      {props.open && <tr><td class="detail" colSpan={7}><Journal id={notice.id} state={notice.state} /></td></tr>}
    </>
  );
}

const explained = ['waiting', 'superseded', 'dropped', 'failed']; // the others say all themselves
const untold = ['busy', 'no_answer', 'rejected', 'unreachable', 'hung_up', 'failed'];
const tone = (state: string) => (state === 'delivered' ? 'good' : untold.includes(state) ? 'bad' : '');

/** The journal is written before each step is taken: what it has is what happened. */
function Journal(props: { id: number; state: string }) {
  const t = useT();
  const [steps, setSteps] = useState<NoticeStep[]>([]);
  useEffect(() => {
    void api.notice(props.id).then((found) => setSteps(found.journal ?? [])).catch(() => {});
  }, [props.id, props.state]);
  return (
    <ul class="steps journal" data-testid={`journal-${props.id}`}>
      {steps.map((step, i) => (
        <li key={i} data-state={step.state}><span class="time muted">{clock(step.at, true)}</span><span class={`result ${tone(step.state)}`}>{word(t, 'notice', step.state)}</span><span>{noticeStepText(t, step.what)}</span></li>
      ))}
    </ul>
  );
}

function OptOuts() {
  const t = useT();
  const [list, setList] = useState<OptOut[]>([]);
  const [phone, setPhone] = useState('');
  const [trouble, setTrouble] = useState('');
  const load = () => api.optOuts().then(setList).catch((error) => setTrouble(errorText(error)));
  const change = async (number: string, calls: boolean) => {
    try {
      await api.optOut(number, calls);
      setPhone('');
      setTrouble('');
    } catch (error) {
      setTrouble(errorText(error));
    }
    await load();
  };
  useEffect(() => { void load(); }, []);
  return (
    <section data-testid="opt-outs">
      <h2>{t('optouts.title')}</h2>
      <form class="filters" onSubmit={(e) => { e.preventDefault(); if (phone) void change(phone, false); }}>
        <input type="tel" placeholder={t('notices.phone')} aria-label={t('notices.phone')} data-testid="opt-out-phone" maxLength={24} value={phone}
          onInput={(e) => setPhone(e.currentTarget.value)} />
        <button class="button" data-testid="opt-out-add">{t('optouts.add')}</button>
      </form>
      {trouble && <p class="notice bad" role="alert" data-testid="opt-outs-error">{trouble}</p>}
      <ul>
        {list.map((each) => (
          <li key={each.phone} data-testid={`opt-out-${each.phone}`}>
            <PhoneLink phone={each.phone} /> <span class="muted">{each.note}</span>{' '}
            <button class="button quiet" onClick={() => void change(each.phone, true)}>{t('optouts.remove')}</button>
          </li>
        ))}
      </ul>
    </section>
  );
}

render(<Gate api={api}>{(me) => <Notices me={me} />}</Gate>, document.getElementById('app')!);
