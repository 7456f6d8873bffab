import type { Floor, Operator } from '../net/types.ts';
import { clock, since, span } from '../logic/format.ts';
import { word, type Key } from '../i18n/index.ts';
import { PhoneLink } from './PhoneLink.tsx';
import { useNow, useT } from './settings.ts';

const longWait = 30; // s in line, then it shows red

/** Who waits and who works; faded when it may be true no longer. */
export function Side(props: { floor: Floor | null; stale: boolean; login: string }) {
  const t = useT();
  const now = useNow();
  const waiting = [...(props.floor?.waiting ?? [])].sort((a, b) => a.since.localeCompare(b.since));
  const team = [...(props.floor?.operators ?? [])].sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name));
  return (
    <aside class={props.stale ? 'side stale' : 'side'}>
      <section class="pane queue" data-testid="queue" data-waiting={waiting.length}>
        <h2>{t('queue.title')} <span class={waiting.length > 0 ? 'count some' : 'count'} data-testid="queue-count">{waiting.length}</span></h2>
        {waiting.length === 0 && <p class="muted">{t('queue.empty')}</p>}
        <ul>
          {waiting.map((each) => {
            const waited = since(each.since, now);
            return (
              <li key={each.call_id} data-testid="queue-item">
                <PhoneLink phone={each.phone} />
                <span class={waited > longWait ? 'time bad' : 'time'}>{span(waited)}</span>
                <span class="small muted">{each.branch}</span>
              </li>
            );
          })}
        </ul>
      </section>
      {(props.floor?.answers.length ?? 0) > 0 && (
        <section class="pane answers" data-testid="answers">
          <h2>{t('answers.title')}</h2>
          <ul>
            {props.floor!.answers.map((each) => (
              <li key={each.order_id + each.at} data-testid={`answer-${each.order_id}`} data-answer={each.answer}>
                <PhoneLink phone={each.phone} />
                <span class="time muted">{clock(each.at)}</span>
                <span class={`said ${each.answer}`}>{word(t, 'answer', each.answer)}</span>
                <span class="small muted">{t('card.order', { id: each.order_id })}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="pane team" data-testid="team">
        <h2>{t('team.title')}</h2>
        {team.length === 0 && <p class="muted">{t('team.empty')}</p>}
        <ul>
          {team.map((each) => {
            const [state, key] = stateOf(each);
            return (
              <li key={each.login} data-testid={`team-${each.login}`} data-state={state}>
                <span class={`dot ${state}`} aria-hidden="true" />
                <span class="who">{each.name || each.login}{each.login === props.login && <span class="muted"> · {t('team.you')}</span>}</span>
                <span class="state">{t(key)}</span>
              </li>
            );
          })}
        </ul>
      </section>
    </aside>
  );
}

function stateOf(operator: Operator): [string, Key] {
  if (!operator.online) return ['offline', 'team.offline'];
  if (operator.state === 'talking') return ['talking', 'team.talking'];
  if (operator.state === 'ringing') return ['ringing', 'team.ringing'];
  return operator.ready ? ['free', 'team.free'] : ['pause', 'team.pause'];
}
