import { render } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { errorText } from '../desk/cards.ts';
import { word } from '../i18n/index.ts';
import { steps as lastSteps, ofThisClient } from '../logic/trail.ts';
import { stepText } from '../logic/steps.ts';
import { story } from '../logic/story.ts';
import { Api, ApiError } from '../net/api.ts';
import type { CDR, DemoInfo } from '../net/types.ts';
import { Microphone } from '../phone/microphone.ts';
import { SipPhone } from '../phone/sipphone.ts';
import { melodies, Sound } from '../phone/sound.ts';
import type { CallPhase } from '../phone/types.ts';
import { DemoOrder, useClientOrder } from '../ui/DemoOrder.tsx';
import { Tools } from '../ui/Header.tsx';
import { Mobile } from '../ui/Mobile.tsx';
import { useStore, useT } from '../ui/settings.ts';
import '../style.css';

const query = new URLSearchParams(location.search);
const alwaysTone = query.get('mic') === 'tone';
const clientTone = 600; // Hz; apart from each other, from the operator's 440 and from ringback's 425
const driverTone = 800;
const sound = new Sound();

type Speaker = 'client' | 'driver' | 'operator' | 'all';
const speakers: Speaker[] = ['client', 'driver', 'operator', 'all'];

class Handset {
  readonly mic: Microphone;
  readonly phone: SipPhone;
  constructor(tone: number) {
    this.mic = new Microphone(sound, { hz: tone, always: alwaysTone });
    this.phone = new SipPhone(sound, this.mic, melodies.mobile);
  }
}

/** The call the exchange is busy with, or the last one, so that its end can be read. */
function useTrail(api: Api, info: DemoInfo): CDR | null {
  const [call, setCall] = useState<CDR | null>(null);
  useEffect(() => {
    let over = false;
    const look = async () => {
      try {
        const live = (await api.liveCalls()).filter((each) => ofThisClient(each, info)).at(-1);
        if (!over) setCall((before) => live ?? (before && !before.ended ? { ...before, ended: new Date().toISOString(), state: 'ended' } : before));
      } catch {
        // the phones say that the network is gone
      }
    };
    const timer = setInterval(() => void look(), 700);
    return () => { over = true; clearInterval(timer); };
  }, []);
  return call;
}

function useOperator(api: Api, info: DemoInfo) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [entered, setEntered] = useState<boolean | string>(false);
  const [phase, setPhase] = useState<CallPhase | 'none'>('none');
  useEffect(() => {
    // Somebody who is logged in stays who they are: each log-in would be a new session.
    api.me().catch(() => api.login(info.operator.login, info.operator.password))
      .then(() => setEntered(true), (error: unknown) => setEntered(errorText(error) || '—'));
    const timer = setInterval(() => setPhase(frame.current?.contentWindow?.cabline?.phone?.call?.phase ?? 'none'), 200);
    return () => clearInterval(timer);
  }, []);
  return { frame, entered, phase };
}

function Demo({ info }: { info: DemoInfo }) {
  const t = useT();
  const api = useMemo(() => new Api(info.token), []);
  const session = useMemo(() => new Api(), []);
  const client = useMemo(() => new Handset(clientTone), []);
  const driver = useMemo(() => new Handset(driverTone), []);
  const operator = useOperator(session, info);
  const trail = useTrail(api, info);
  const { order, trouble, change } = useClientOrder(api, info);
  const clientView = useStore(client.phone);
  const driverView = useStore(driver.phone);
  const { tone, state: mic } = useStore(client.mic);
  const { blocked } = useStore(sound);
  const asked = query.get('speak') as Speaker;
  const [speaker, setSpeaker] = useState<Speaker>(speakers.includes(asked) ? asked : 'client');
  const follow = (who: Speaker) => { if (speaker !== 'all') setSpeaker(who); };
  const mute = (who: Speaker) => !tone && speaker !== 'all' && speaker !== who;

  useEffect(() => {
    window.cabline = { page: 'demo', client: debug(client.phone), driver: debug(driver.phone),
      get operator() { return operator.frame.current?.contentWindow?.cabline; } };
    for (const [handset, account] of [[client, info.client], [driver, info.driver]] as const) {
      void handset.mic.open();
      handset.phone.start({ uri: account.uri, ws: account.ws, login: account.login, password: account.password });
    }
  }, []);
  // One microphone for three people: only one of them speaks, or they would hear themselves through each other.
  useEffect(() => { if (clientView.call) client.phone.mute(mute('client')); }, [speaker, tone, clientView.call?.phase]);
  useEffect(() => { if (driverView.call) driver.phone.mute(mute('driver')); }, [speaker, tone, driverView.call?.phase]);
  useEffect(() => { if (operator.phase === 'joining' && !tone) follow('operator'); }, [operator.phase]);
  useEffect(() => {
    if (operator.phase === 'talking') operator.frame.current?.contentWindow?.cabline?.mute?.(mute('operator'));
  }, [speaker, tone, operator.phase]);

  const scene = story({
    asking: mic === 'asking',
    client: { line: clientView.line, phase: clientView.call?.phase ?? 'none' },
    driver: { line: driverView.line, phase: driverView.call?.phase ?? 'none' },
    operator: operator.phase,
    state: trail && !trail.ended ? trail.state : '',
    order: order ? { status: word(t, 'status', order.status), hasDriver: order.driver_phone !== '' } : null,
  });
  return (
    <main class="demo">
      <section class="pane story" aria-live="polite">
        <h1>{info.firm}<br /><span class="small muted">{t('demo.title')}</span></h1>
        <p data-testid="story" data-story={scene[0]}>{t(...scene)}{blocked && <><br /><strong class="bad" data-testid="sound-blocked">{t('sound.blocked')}</strong></>}</p>
        <Tools />
      </section>
      <div class="demo-left">
        {tone ? <span class="speak muted" data-testid="tone">{t('mic.tone')}</span> : (
          <div class="speak" role="radiogroup" aria-label={t('demo.speak')}>
            <span class="muted">{t('demo.speak')}</span>
            {speakers.map((each) => (
              <button key={each} role="radio" aria-checked={speaker === each} class={speaker === each ? 'button on' : 'button'}
                data-testid={`speak-${each}`} title={each === 'all' ? t('demo.speak.all.why') : undefined} onClick={() => setSpeaker(each)}>{t(`demo.speak.${each}`)}</button>
            ))}
          </div>
        )}
        <div class="mobiles">
          <Mobile who="client" phone={client.phone} number={info.client.number} taxi={info.line} secret={info.driver.number}
            muted={mute('client')} onTouch={() => follow('client')} />
          <Mobile who="driver" phone={driver.phone} number={info.driver.number} taxi={info.line} secret={info.client.number}
            muted={mute('driver')} onTouch={() => follow('driver')} />
        </div>
        <section class="pane demo-order" data-testid="order-panel">
          <DemoOrder api={api} info={info} order={order} trouble={trouble} change={change} />
        </section>
      </div>
      <div class="demo-right">
        <section class="pane demo-operator">
          <header>
            <h2>{t('demo.operator')}</h2>
            <a class="small muted" href="/" target="cabline-console" data-testid="operator-open">{t('demo.operator.open')}</a>
          </header>
          {typeof operator.entered === 'string' && <p class="notice bad" role="alert" data-testid="operator-error">{t('demo.operator.failed', { why: operator.entered })}</p>}
          {operator.entered === true && <iframe ref={operator.frame} title={t('demo.operator')} data-testid="operator"
            src={alwaysTone ? '/?demo=1&mic=tone' : '/?demo=1'} allow="microphone; autoplay" />}
        </section>
        <section class="pane trail" data-testid="trail" data-state={trail?.state ?? ''}>
          <h2>{t('demo.trail')}</h2>
          <ol>{lastSteps(trail).map((step, i) => <li key={`${i} ${step.what}`} data-step={step.what}>{stepText(t, step.what)}</li>)}</ol>
        </section>
      </div>
    </main>
  );
}

function debug(phone: SipPhone) {
  return {
    get phone() { return phone.value; },
    get events() { return [...phone.events]; },
    measure: () => phone.measure(),
    stats: () => phone.stats(),
    mute: (on: boolean) => phone.mute(on),
  };
}

function DemoGate() {
  const t = useT();
  const [info, setInfo] = useState<DemoInfo | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    const ask = () => new Api().demo().then(setInfo, (error: unknown) => {
      setTrouble(errorText(error));
      if (error instanceof ApiError && error.status === 0) setTimeout(ask, 2000);
    });
    void ask();
  }, []);
  if (info) return <Demo info={info} />;
  return <main class="login"><p class={trouble === null ? 'muted' : 'notice bad'} data-testid="demo-loading">{trouble === null ? t('app.loading') : t('demo.failed', { why: trouble || t('card.noserver') })}</p></main>;
}

render(<DemoGate />, document.getElementById('app')!);
