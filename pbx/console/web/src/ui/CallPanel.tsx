import { useEffect, useState } from 'preact/hooks';
import type { Key } from '../i18n/index.ts';
import type { Desk } from '../desk/desk.ts';
import { whyDead } from '../logic/own.ts';
import { dialable, phoneText, since, span } from '../logic/format.ts';
import { digit } from '../logic/keys.ts';
import type { Call, Ended } from '../phone/types.ts';
import { HandOver } from './HandOver.tsx';
import { Keypad } from './Keypad.tsx';
import { useNow, useStore, useT } from './settings.ts';

/** The telephone itself. Its height is the same in every state: nothing jumps under the hand when it rings. */
export function CallPanel(props: { desk: Desk }) {
  const { own } = useStore(props.desk);
  const { call } = useStore(props.desk.phone);
  let kind = call ? call.phase : own.kind;
  if (kind === 'free' && props.desk.value.me?.ready === false) kind = 'pause';
  return (
    <section class={`pane phone ${kind}`} data-testid="phone" data-phase={call?.phase ?? 'none'}>
      {call?.phase === 'ringing' ? <Ringing desk={props.desk} call={call} />
        : call ? <Talking desk={props.desk} call={call} />
        : own.kind === 'dead' ? <Dead desk={props.desk} why={own.why} />
        : <Idle desk={props.desk} kind={own.kind} />}
      <Strip desk={props.desk} />
    </section>
  );
}

function Dead(props: { desk: Desk; why: NonNullable<ReturnType<typeof whyDead>> }) {
  const t = useT();
  return (
    <div class="phone-main" role="alert" data-testid="dead" data-why={props.why}>
      <div class="phone-text">
        <p class="headline">{t('dead.title')}</p>
        <p class="big">{t(`dead.${props.why}`)}</p>
        <p>{t(`dead.${props.why}.do`)}</p>
      </div>
      <div class="phone-buttons">
        <button class="button big" data-testid="dead-retry" onClick={() => props.desk.retry()}>{t('dead.retry')}</button>
      </div>
    </div>
  );
}

function Idle(props: { desk: Desk; kind: string }) {
  const t = useT();
  const { last } = useStore(props.desk.phone);
  const [title, hint]: [Key, Key] = props.kind === 'starting' ? ['starting.title', 'starting.mic']
    : props.kind === 'pause' ? ['idle.pause.title', 'idle.pause.hint'] : ['idle.title', 'idle.hint'];
  return (
    <div class="phone-main">
      <div class="phone-text">
        {last ? <Last desk={props.desk} last={last} /> : <><p class="headline">{t(title)}</p><p class="muted big">{t(hint)}</p></>}
      </div>
      <DialField desk={props.desk} disabled={props.kind === 'starting'} />
    </div>
  );
}

const newsMs = 60_000; // how long the last call is news
const good = new Set<Ended['cause']>(['hung_up', 'they_hung_up', 'elsewhere', 'declined']);

function Last(props: { desk: Desk; last: Ended }) {
  const t = useT();
  const { last } = props;
  const talked = last.talked > 0;
  useEffect(() => {
    const timer = setTimeout(() => props.desk.phone.forget(), newsMs);
    return () => clearTimeout(timer);
  }, [last]);
  return (
    <div data-testid="last-call" data-cause={last.cause} data-code={last.code}>
      <p class={`headline small ${talked || good.has(last.cause) ? '' : 'warn'}`}>
        {talked ? t('end.talked', { time: span(last.talked) }) : t(`end.${last.cause}`)}
      </p>
      <p class="muted big">
        {phoneText(last.number) || t('call.withheld')}{talked && ` · ${t(`end.${last.cause}`)}`}
        {!talked && last.code > 0 && last.direction === 'out' && ` · ${t('end.code', { code: last.code })}`}
        <button class="button quiet small" data-testid="last-close" onClick={() => props.desk.phone.forget()}>{t('end.close')}</button>
      </p>
      {last.cause === 'not_allowed' && <p class="muted small">{t('end.not_allowed.do')}</p>}
    </div>
  );
}

function DialField(props: { desk: Desk; disabled: boolean }) {
  const t = useT();
  const [text, setText] = useState('');
  const [bad, setBad] = useState(false);
  useEffect(() => {
    const number = /^#dial=(.+)$/.exec(location.hash)?.[1];
    if (!number) return;
    setText(phoneText(dialable(decodeURIComponent(number))));
    history.replaceState(null, '', location.pathname + location.search);
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    const number = dialable(text);
    setBad(number === '');
    if (number === '') return;
    props.desk.phone.call(number);
    setText('');
  };
  return (
    <form class="dial" onSubmit={submit}>
      <label class={bad ? 'field wrong' : 'field'}>
        <span class="label">{t('dial.label')}</span>
        <input type="tel" inputMode="tel" autocomplete="off" maxLength={24} placeholder={t('dial.placeholder')} data-testid="dial"
          value={text} onInput={(e) => { setText(e.currentTarget.value); setBad(false); }} />
        {bad && <span class="trouble" role="alert" data-testid="dial-error">{t('dial.bad')}</span>}
      </label>
      <button class="button" disabled={props.disabled} data-testid="dial-call">{t('dial.call')}</button>
    </form>
  );
}

function Who({ desk, call }: { desk: Desk; call: Call }) {
  const t = useT();
  const { open } = useStore(desk.cards);
  const card = call.id ? open.find((each) => each.callId === call.id) : undefined;
  const about = [card?.driver ? t('card.driver') : card?.draft.client_name || call.name, card?.draft.branch, card?.line && t('call.line', { line: phoneText(card.line) })];
  return (
    <>
      <p class="number-big" data-testid="call-number" data-number={call.number}>{phoneText(call.number) || t('call.withheld')}</p>
      <p class="muted about">{about.filter((part) => part && part !== call.number).join(' · ') || '\u00a0'}</p>
    </>
  );
}

function Ringing({ desk, call }: { desk: Desk; call: Call }) {
  const t = useT();
  return (
    <div class="phone-main" role="alertdialog" aria-label={t('call.incoming')}>
      <div class="phone-text"><p class="phase">{t('call.incoming')}</p><Who desk={desk} call={call} /></div>
      <div class="phone-buttons">
        <button class="button answer" data-testid="answer" onClick={() => desk.answer()}>
          {t('call.answer')}<small>{t('call.answer.key')} · {t('call.answer.typing')}</small>
        </button>
        <button class="button reject" data-testid="reject" onClick={() => desk.phone.hangUp()}>
          {t('call.reject')}<small>Esc · F4</small>
        </button>
      </div>
    </div>
  );
}

function Talking({ desk, call }: { desk: Desk; call: Call }) {
  const t = useT();
  const now = useNow(500);
  const [keypad, setKeypad] = useState(false);
  const [keys, setKeys] = useState('');
  const [handing, setHanding] = useState(false);
  const talking = call.phase === 'talking';
  const press = (key: string) => {
    desk.phone.key(key);
    setKeys((before) => (before + key).slice(-12));
  };
  useEffect(() => {
    if (!keypad) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') setKeypad(false);
      const key = digit(event.key);
      if (key === '' || (event.target as Element).matches?.('input, textarea, select')) return;
      event.preventDefault();
      press(key);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [keypad]);
  const phase: Key = call.handing ? 'call.handing' : call.handFailed ? 'call.handFailed' : call.held ? 'call.held' : call.heldByThem ? 'call.heldByThem'
    : call.phase === 'calling' ? 'call.calling' : call.phase === 'joining' ? 'call.joining'
    : call.muted ? 'call.muted' : 'call.talking';
  return (
    <div class="phone-main in-call">
      <div class="phone-text">
        <p class={call.held || call.muted || call.handFailed ? 'phase warn' : 'phase'} data-testid="call-phase" data-held={call.held}
          data-muted={call.muted} data-handing={call.handing} data-hand-failed={call.handFailed}>{t(phase, { code: call.handFailed })}</p>
        <Who desk={desk} call={call} />
      </div>
      <p class="timer" data-testid="timer">{call.answered ? span(since(new Date(call.answered).toISOString(), now)) : ''}</p>
      <div class="phone-buttons">
        <button class={call.muted ? 'button tall on' : 'button tall'} aria-pressed={call.muted} disabled={!talking} data-testid="mute"
          title={t(call.muted ? 'call.mute.on' : 'call.mute.off')} onClick={() => desk.phone.mute(!call.muted)}>
          {t('call.mute')}<small>F8</small></button>
        <button class={call.held ? 'button tall on' : 'button tall'} aria-pressed={call.held} disabled={!talking} data-testid="hold"
          onClick={() => desk.phone.hold(!call.held)}>{t(call.held ? 'call.resume' : 'call.hold')}<small>F9</small></button>
        <button class={handing ? 'button tall on' : 'button tall'} aria-pressed={handing} disabled={!talking || call.handing !== ''} data-testid="hand-over"
          onClick={() => { setHanding(!handing); setKeypad(false); }}>{t('call.handOver')}<small>{t('call.handOver.small')}</small></button>
        <button class={keypad ? 'button tall on' : 'button tall'} aria-pressed={keypad} disabled={!talking} data-testid="keypad"
          onClick={() => { setKeypad(!keypad); setHanding(false); }}>{t('call.keypad')}<small>{keys || '0–9 * #'}</small></button>
        <button class="button hangup" data-testid="hangup" onClick={() => desk.phone.hangUp()}>
          {t(call.phase === 'calling' ? 'call.cancel' : 'call.hangup')}<small>F4</small></button>
      </div>
      {handing && <HandOver desk={desk} call={call} done={() => setHanding(false)} />}
      {keypad && <div class="keypad-over" data-testid="keypad-over"><Keypad onKey={press} /></div>}
    </div>
  );
}

/** One line at the panel's foot for what is wrong but not fatal; its place is kept when it is empty. */
function Strip({ desk }: { desk: Desk }) {
  const t = useT();
  const { blocked } = useStore(desk.sound);
  const { silent, tone, state } = useStore(desk.mic);
  const { line, call } = useStore(desk.phone);
  const { server } = useStore(desk.live);
  const why = call ? whyDead({ mic: state, line, server, seen: true, unseenFor: 0, ready: true, call: 'none' }) : null;
  if (why) return <p class="strip bad" role="alert" data-testid="strip" data-strip={why}>{t('dead.incall')} {t(`dead.${why}`)}</p>;
  if (blocked) return <p class="strip bad" role="alert" data-testid="strip" data-strip="sound">{t('sound.blocked')}</p>;
  if (silent) return <p class="strip warn" role="alert" data-testid="strip" data-strip="silent">{t('mic.silent')}</p>;
  if (tone) return <p class="strip muted" data-testid="strip" data-strip="tone">{t('mic.tone')}</p>;
  return <p class="strip" data-testid="strip" data-strip="" />;
}
