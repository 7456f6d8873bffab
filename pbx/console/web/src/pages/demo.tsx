import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { debugPhone, Handset } from '../demo/handset.ts';
import { Mobile } from '../demo/Mobile.tsx';
import { OperatorFrame, useOperator } from '../demo/Operator.tsx';
import { OrderPanel, useClientOrder } from '../demo/OrderPanel.tsx';
import { Speak, useSpeaking } from '../demo/Speak.tsx';
import { Trail, useTrail } from '../demo/Trail.tsx';
import { errorText } from '../desk/cards.ts';
import { word } from '../i18n/index.ts';
import { story } from '../logic/story.ts';
import { Api, ApiError } from '../net/api.ts';
import type { DemoInfo } from '../net/types.ts';
import { Sound } from '../phone/sound.ts';
import { Tools } from '../ui/Header.tsx';
import { useStore, useT } from '../ui/settings.ts';
import '../style.css';

const query = new URLSearchParams(location.search);
const always = query.get('mic') === 'tone';
const clientTone = 600; // Hz; apart from each other, from the operator's 440 and from ringback's 425
const driverTone = 800;
const sound = new Sound();

function Demo({ info }: { info: DemoInfo }) {
  const t = useT();
  const api = useMemo(() => new Api(info.token), []);
  const client = useMemo(() => new Handset(sound, info.client, { hz: clientTone, always }), []);
  const driver = useMemo(() => new Handset(sound, info.driver, { hz: driverTone, always }), []);
  const operator = useOperator(info);
  const trail = useTrail(api, info);
  const { order, trouble, change } = useClientOrder(api, info);
  const speaking = useSpeaking(query.get('speak'), client, driver, operator);
  const clientView = useStore(client.phone);
  const driverView = useStore(driver.phone);
  const { state: mic } = useStore(client.mic);
  useEffect(() => {
    window.cabline = { page: 'demo', client: debugPhone(client.phone), driver: debugPhone(driver.phone), get operator() { return operator.page(); } };
    client.start();
    driver.start();
  }, []);

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
      <Story firm={info.firm} scene={scene} />
      <div class="demo-left">
        <Speak speaking={speaking} />
        <div class="mobiles">
          <Mobile who="client" phone={client.phone} number={info.client.number} taxi={info.line} secret={info.driver.number}
            muted={speaking.muted('client')} onTouch={() => speaking.follow('client')} />
          <Mobile who="driver" phone={driver.phone} number={info.driver.number} taxi={info.line} secret={info.client.number}
            muted={speaking.muted('driver')} onTouch={() => speaking.follow('driver')} />
        </div>
        <section class="pane demo-order" data-testid="order-panel">
          <OrderPanel api={api} info={info} order={order} trouble={trouble} change={change} />
        </section>
      </div>
      <div class="demo-right">
        <OperatorFrame operator={operator} tone={always} />
        <Trail call={trail} />
      </div>
    </main>
  );
}

/** What happens now and what to do next. */
function Story({ firm, scene }: { firm: string; scene: ReturnType<typeof story> }) {
  const t = useT();
  const { blocked } = useStore(sound);
  return (
    <section class="pane story" aria-live="polite">
      <h1>{firm}<br /><span class="small muted">{t('demo.title')}</span></h1>
      <p data-testid="story" data-story={scene[0]}>
        {t(...scene)}
        {blocked && <><br /><strong class="bad" data-testid="sound-blocked">{t('sound.blocked')}</strong></>}
      </p>
      <Tools />
    </section>
  );
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
  return (
    <main class="login">
      <p class={trouble === null ? 'muted' : 'notice bad'} data-testid="demo-loading">
        {trouble === null ? t('app.loading') : t('demo.failed', { why: trouble || t('card.noserver') })}
      </p>
    </main>
  );
}

render(<DemoGate />, document.getElementById('app')!);
