import { useEffect, useState } from 'preact/hooks';
import type { Handset } from './handset.ts';
import { useStore, useT } from '../ui/settings.ts';
import type { OperatorView } from './Operator.tsx';

type Speaker = 'client' | 'driver' | 'operator' | 'all';
const speakers: Speaker[] = ['client', 'driver', 'operator', 'all'];

export interface Speaking {
  speaker: Speaker;
  tone: boolean; // there is no microphone to share
  choose: (who: Speaker) => void;
  follow: (who: Speaker) => void; // that person has just done something
  muted: (who: Speaker) => boolean;
}

/**
 * One microphone for three people: only one of them speaks, whoever acted last,
 * or they would hear themselves through each other.
 */
export function useSpeaking(first: string | null, client: Handset, driver: Handset, operator: OperatorView): Speaking {
  const [speaker, choose] = useState<Speaker>(speakers.find((each) => each === first) ?? 'client');
  const { tone } = useStore(client.mic);
  const clientPhase = useStore(client.phone).call?.phase;
  const driverPhase = useStore(driver.phone).call?.phase;
  const follow = (who: Speaker) => { if (speaker !== 'all') choose(who); };
  const muted = (who: Speaker) => !tone && speaker !== 'all' && speaker !== who;
  useEffect(() => { if (clientPhase) client.phone.mute(muted('client')); }, [speaker, tone, clientPhase]);
  useEffect(() => { if (driverPhase) driver.phone.mute(muted('driver')); }, [speaker, tone, driverPhase]);
  useEffect(() => { if (operator.phase === 'joining' && !tone) follow('operator'); }, [operator.phase]);
  useEffect(() => { if (operator.phase === 'talking') operator.page()?.mute?.(muted('operator')); }, [speaker, tone, operator.phase]);
  return { speaker, tone, choose, follow, muted };
}

export function Speak({ speaking }: { speaking: Speaking }) {
  const t = useT();
  if (speaking.tone) return <span class="speak muted" data-testid="tone">{t('mic.tone')}</span>;
  return (
    <div class="speak" role="radiogroup" aria-label={t('demo.speak')}>
      <span class="muted">{t('demo.speak')}</span>
      {speakers.map((each) => (
        <button key={each} role="radio" aria-checked={speaking.speaker === each} class={speaking.speaker === each ? 'button on' : 'button'}
          data-testid={`speak-${each}`} title={each === 'all' ? t('demo.speak.all.why') : undefined}
          onClick={() => speaking.choose(each)}>{t(`demo.speak.${each}`)}</button>
      ))}
    </div>
  );
}
