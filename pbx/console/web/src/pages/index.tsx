import { render } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { Desk } from '../desk/desk.ts';
import { phoneText } from '../logic/format.ts';
import { action } from '../logic/keys.ts';
import { Api } from '../net/api.ts';
import type { Me } from '../net/types.ts';
import type { StandIn } from '../phone/microphone.ts';
import { Sound } from '../phone/sound.ts';
import { CallPanel } from '../ui/CallPanel.tsx';
import { CardPane } from '../ui/CardPane.tsx';
import { Gate } from '../ui/Login.tsx';
import { OwnBar } from '../ui/OwnBar.tsx';
import { Dial, listenForDials } from '../ui/PhoneLink.tsx';
import { Side } from '../ui/Side.tsx';
import { useStore, useT } from '../ui/settings.ts';
import '../style.css';

const api = new Api();
const sound = new Sound();
const query = new URLSearchParams(location.search);
const demoTone = 440; // Hz

function standIn(): StandIn | null {
  return query.get('demo') ? { hz: demoTone, always: query.get('mic') === 'tone' } : null;
}

function Console(props: { me: Me; onOut: (over: boolean) => void }) {
  const desk = useMemo(() => new Desk(props.me, api, sound, standIn()), []);
  const { call } = useStore(desk.phone);
  const { floor, server, loggedOut } = useStore(desk.live);
  useEffect(() => {
    desk.start();
    window.cabline = debug(desk);
    const stop = listenForDials((number) => desk.phone.call(number));
    return () => { stop(); desk.stop(); };
  }, []);
  useEffect(() => { if (loggedOut) props.onOut(true); }, [loggedOut]);
  useKeys(desk);
  useTitle(desk);
  useEffect(() => {
    const stay = (event: BeforeUnloadEvent) => { if (call?.answered) event.preventDefault(); };
    window.addEventListener('beforeunload', stay);
    return () => window.removeEventListener('beforeunload', stay);
  }, [call?.answered]);
  const logout = () => void api.logout().catch(() => undefined).then(() => props.onOut(false));
  return (
    <Dial.Provider value={call ? null : (number) => desk.phone.call(number)}>
      <div class={query.get('demo') ? 'console in-frame' : 'console'}>
        <OwnBar desk={desk} onLogout={logout} />
        <div class="desk">
          <main class="work">
            <CallPanel desk={desk} />
            <CardPane cards={desk.cards} talking={call && call.phase === 'talking' ? call.id : ''} />
          </main>
          <Side floor={floor} stale={server === 'down'} login={props.me.login} />
        </div>
      </div>
    </Dial.Provider>
  );
}

const typingMs = 3000; // a box with the cursor in it that nobody has written in for so long is no longer being written in

function useKeys(desk: Desk): void {
  const lastTyped = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target instanceof Element ? event.target : null;
      const box = target?.matches('input, textarea, select') ?? false;
      const phase = desk.phone.value.call?.phase;
      const does = action({
        key: event.key, repeat: event.repeat, modified: event.ctrlKey || event.altKey || event.metaKey,
        typing: box && Date.now() - lastTyped.current < typingMs,
      }, phase === undefined ? 'none' : phase === 'joining' ? 'talking' : phase);
      if (box && !does) lastTyped.current = Date.now();
      if (!does) return;
      event.preventDefault();
      event.stopPropagation();
      // Firefox clicks the button in focus when Space comes up, whatever became of its going down.
      if (document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();
      const { call } = desk.phone.value;
      switch (does) {
        case 'answer': return desk.answer();
        case 'reject': case 'hang_up': return desk.phone.hangUp();
        case 'mute': return desk.phone.mute(!call?.muted);
        case 'hold': return desk.phone.hold(!call?.held);
      }
    };
    // Dictation and keyboards on a screen write without a key going down.
    const onInput = () => { lastTyped.current = Date.now(); };
    window.addEventListener('keydown', onKey, { capture: true });
    window.addEventListener('input', onInput, { capture: true });
    return () => {
      window.removeEventListener('keydown', onKey, { capture: true });
      window.removeEventListener('input', onInput, { capture: true });
    };
  }, []);
}

function useTitle(desk: Desk): void {
  const t = useT();
  const { call } = useStore(desk.phone);
  const { own } = useStore(desk);
  const calm = `${own.kind === 'dead' ? '⚠ ' : ''}${t(`own.${own.kind}`)} — ${desk.account.firm || 'Cabline'}`;
  const ringing = call?.phase === 'ringing' ? t('title.ringing', { who: phoneText(call.number) || t('call.withheld') }) : '';
  useEffect(() => {
    document.title = ringing || calm;
    if (!ringing) return;
    let on = true;
    const timer = setInterval(() => { on = !on; document.title = on ? ringing : '☎ ☎ ☎'; }, 700);
    return () => clearInterval(timer);
  }, [ringing, calm]);
}

function debug(desk: Desk) {
  return {
    page: 'console',
    get phone() { return desk.phone.value; },
    get events() { return [...desk.phone.events]; },
    get own() { return desk.value.own; },
    get microphone() { return desk.mic.value; },
    get sound() { return sound.context.state; },
    measure: () => desk.phone.measure(),
    stats: () => desk.phone.stats(),
    mute: (on: boolean) => desk.phone.mute(on),
  };
}

render(<Gate api={api}>{(me, out) => <Console key={me.login} me={me} onOut={out} />}</Gate>, document.getElementById('app')!);
