import { useEffect, useState } from 'preact/hooks';
import { ofThisClient, steps } from '../logic/trail.ts';
import { stepText } from '../logic/steps.ts';
import type { Api } from '../net/api.ts';
import type { CDR, DemoInfo } from '../net/types.ts';
import { useT } from '../ui/settings.ts';

const lookMs = 700;

/** The call the exchange is busy with, or the last one, so that its end can be read. */
export function useTrail(api: Api, info: DemoInfo): CDR | null {
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
    const timer = setInterval(() => void look(), lookMs);
    return () => { over = true; clearInterval(timer); };
  }, []);
  return call;
}

export function Trail({ call }: { call: CDR | null }) {
  const t = useT();
  return (
    <section class="pane trail" data-testid="trail" data-state={call?.state ?? ''}>
      <h2>{t('demo.trail')}</h2>
      <ol>{steps(call).map((step, i) => <li key={`${i} ${step.what}`} data-step={step.what}>{stepText(t, step.what)}</li>)}</ol>
    </section>
  );
}
