import { useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from '../desk/cards.ts';
import { Api } from '../net/api.ts';
import type { DemoInfo } from '../net/types.ts';
import type { CallPhase } from '../phone/types.ts';
import { useT } from '../ui/settings.ts';

const lookMs = 200;

export interface OperatorView {
  entered: boolean;
  trouble: string | null;
  phase: CallPhase | 'none';
  page: () => Window['cabline'];
  frame: { current: HTMLIFrameElement | null };
}

/** Logs the demo's operator in and watches the console in its frame. */
export function useOperator(info: DemoInfo): OperatorView {
  const frame = useRef<HTMLIFrameElement>(null);
  const [entered, setEntered] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [phase, setPhase] = useState<CallPhase | 'none'>('none');
  const page = () => frame.current?.contentWindow?.cabline;
  useEffect(() => {
    const session = new Api(); // without the token: the frame lives on the cookie
    session.me().catch(() => session.login(info.operator.login, info.operator.password))
      .then(() => setEntered(true), (error: unknown) => setTrouble(errorText(error)));
    const timer = setInterval(() => setPhase(page()?.phone?.call?.phase ?? 'none'), lookMs);
    return () => clearInterval(timer);
  }, []);
  return { entered, trouble, phase, page, frame };
}

export function OperatorFrame({ operator, tone }: { operator: OperatorView; tone: boolean }) {
  const t = useT();
  return (
    <section class="pane demo-operator">
      <header>
        <h2>{t('demo.operator')}</h2>
        <a class="small muted" href="/" target="cabline-console" data-testid="operator-open">{t('demo.operator.open')}</a>
      </header>
      {operator.trouble !== null && (
        <p class="notice bad" role="alert" data-testid="operator-error">{t('demo.operator.failed', { why: operator.trouble || t('card.noserver') })}</p>
      )}
      {operator.entered && (
        <iframe ref={operator.frame} title={t('demo.operator')} data-testid="operator" src={tone ? '/?demo=1&mic=tone' : '/?demo=1'} allow="microphone; autoplay" />
      )}
    </section>
  );
}
