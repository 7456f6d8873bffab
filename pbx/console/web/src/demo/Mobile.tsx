import { useEffect, useRef, useState } from 'preact/hooks';
import type { Key } from '../i18n/index.ts';
import { phoneText, since, span } from '../logic/format.ts';
import type { SipPhone } from '../phone/sipphone.ts';
import type { Call } from '../phone/types.ts';
import { Keypad } from '../ui/Keypad.tsx';
import { useNow, useStore, useT } from '../ui/settings.ts';

export interface MobileProps {
  who: 'client' | 'driver';
  phone: SipPhone;
  number: string; // its own
  taxi: string; // the firm's number
  secret: string; // the number this phone must never show
  muted: boolean; // somebody else is speaking into the shared microphone
  onTouch: () => void; // this person acts: they speak now
}

/** One of the demo's telephones: it looks like a mobile and is a SIP phone at the demo's carrier. */
export function Mobile(props: MobileProps) {
  const t = useT();
  const { phone, who } = props;
  const { line, call } = useStore(phone);
  const net: Key = line === 'up' ? 'mobile.ready' : line === 'connecting' || line === 'registering' ? 'mobile.connecting' : 'mobile.off';
  const live = call !== null && call.phase !== 'ringing';
  return (
    <section class={call?.phase === 'ringing' ? 'mobile rings' : 'mobile'} data-testid={who} data-line={line} data-phase={call?.phase ?? 'none'}>
      <div class="mobile-status">
        <span class={line === 'up' || net === 'mobile.connecting' ? 'net' : 'net bad'} data-testid={`${who}-line`}>
          <span class={`dot ${line === 'up' ? 'free' : net === 'mobile.connecting' ? 'starting' : 'offline'}`} />{t(net)}
        </span>
        <Clock />
      </div>
      <h2>{t(`demo.${who}`)}</h2>
      <p class="own-number">{phoneText(props.number)}</p>
      <div class="screen"><Screen {...props} /></div>
      <Hears phone={phone} who={who} />
      <Keypad testid={`${who}-key`} onKey={(digit) => { if (live) { props.onTouch(); phone.key(digit); } }} />
      <Buttons {...props} call={call} line={line} />
      <Volume phone={phone} who={who} />
    </section>
  );
}

function Clock() {
  const now = useNow(10_000);
  return <span>{new Date(now).toLocaleTimeString('ru', { hour: '2-digit', minute: '2-digit' })}</span>;
}

function Screen(props: MobileProps) {
  const t = useT();
  const now = useNow(500);
  const { call, last } = useStore(props.phone);
  const { who } = props;
  if (!call) {
    const said = last && (last.talked > 0 ? span(last.talked) : t(`end.${last.cause}`));
    return <p class="small muted" data-testid={`${who}-last`} data-cause={last?.cause ?? ''}>{said ? t('mobile.last', { why: said }) : '\u00a0'}</p>;
  }
  const phase: Key = call.phase === 'ringing' ? 'mobile.ringing' : call.phase === 'calling' ? 'mobile.calling' : 'mobile.talking';
  return (
    <>
      <p class="phase"><span data-testid={`${who}-phase`}>{t(phase)}</span>{call.answered > 0 && <span class="timer" data-testid={`${who}-timer`}> {span(since(new Date(call.answered).toISOString(), now))}</span>}</p>
      <p class="shown" data-testid={`${who}-caller`} data-number={call.number} data-name={call.name}>{phoneText(call.number) || t('call.withheld')}</p>
      <Tag {...props} call={call} />
      {props.muted && call.answered > 0 && <p class="small muted" data-testid={`${who}-muted`}>{t('mobile.muted')}</p>}
    </>
  );
}

/** Whose number the screen shows. Seeing the other party's would be the leak Cabline exists to prevent. */
function Tag(props: MobileProps & { call: Call }) {
  const t = useT();
  const digits = (text: string) => text.replace(/\D/g, '');
  const shown = digits(props.call.number + props.call.name);
  if (shown !== '' && shown.includes(digits(props.secret))) return <span class="tag leak" data-testid={`${props.who}-tag`} data-tag="leak">{t('mobile.leak')}</span>;
  if (digits(props.call.number) === digits(props.taxi)) return <span class="tag" data-testid={`${props.who}-tag`} data-tag="firm">{t('mobile.firm')}</span>;
  return null;
}

const audible = 0.004; // rms; below it is silence

/** What this phone hears right now, so that it is seen even with the sound off. */
function Hears(props: { phone: SipPhone; who: string }) {
  const t = useT();
  const bar = useRef<HTMLSpanElement>(null);
  const [heard, setHeard] = useState(false);
  const { call } = useStore(props.phone);
  const live = call !== null && call.phase !== 'ringing';
  useEffect(() => {
    if (!live) {
      setHeard(false);
      if (bar.current) bar.current.style.transform = 'scaleX(0)';
      return;
    }
    const timer = setInterval(() => {
      const level = props.phone.hearing.level();
      setHeard(level > audible);
      if (bar.current) bar.current.style.transform = `scaleX(${Math.min(1, Math.sqrt(level) * 1.6).toFixed(3)})`;
    }, 120);
    return () => clearInterval(timer);
  }, [live]);
  const what: Key = heard ? 'mobile.hears.sound' : call?.phase === 'calling' ? 'mobile.hears.ringback' : 'mobile.hears.silence';
  return (
    <div class="hears" data-testid={`${props.who}-hears`} data-heard={heard}>
      <span>{t('mobile.hears')} {live ? t(what) : '—'}</span>
      <span class="meter"><span ref={bar} /></span>
    </div>
  );
}

function Buttons(props: MobileProps & { call: Call | null; line: string }) {
  const t = useT();
  const { call, phone, who } = props;
  const act = (does: () => void) => () => { props.onTouch(); does(); };
  if (call?.phase === 'ringing') {
    return (
      <div class="mobile-buttons">
        <button class="button stop" data-testid={`${who}-reject`} onClick={() => phone.hangUp()}>{t('mobile.reject')}</button>
        <button class="button go" data-testid={`${who}-accept`} onClick={act(() => phone.answer())}>{t('mobile.accept')}</button>
      </div>
    );
  }
  if (call) {
    return <div class="mobile-buttons"><button class="button stop" data-testid={`${who}-hangup`} onClick={() => phone.hangUp()}>{t('mobile.hangup')}</button></div>;
  }
  return (
    <div class="mobile-buttons">
      <button class="button go" disabled={props.line !== 'up'} data-testid={`${who}-call`}
        onClick={act(() => phone.call(props.taxi))}>{t('mobile.call')}</button>
    </div>
  );
}

function Volume(props: { phone: SipPhone; who: string }) {
  const t = useT();
  const [volume, setVolume] = useState(0.8);
  useEffect(() => {
    props.phone.hearing.volume = volume;
    props.phone.ringVolume = volume;
  }, [volume]);
  return (
    <label class="volume">
      {t('mobile.volume')}
      <input type="range" min="0" max="1" step="0.05" value={volume} data-testid={`${props.who}-volume`}
        onInput={(e) => setVolume(Number(e.currentTarget.value))} />
    </label>
  );
}
