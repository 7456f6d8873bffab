import type { Desk } from '../desk/desk.ts';
import { Links, Tools } from './Header.tsx';
import { useStore, useT } from './settings.ts';

/** The head of the console: who am I and can a call reach me, readable from across the room. */
export function OwnBar(props: { desk: Desk; onLogout: () => void }) {
  const t = useT();
  const { own, me, switching, switchFailed } = useStore(props.desk);
  const { account } = props.desk;
  const paused = me?.ready === false;
  return (
    <header class={`top own ${own.kind}`}>
      <div class="own-state" role="status" aria-live="polite" data-testid="own-state" data-state={own.kind}
        data-why={own.kind === 'dead' ? own.why : ''}>
        <span class={`dot ${own.kind}`} aria-hidden="true" />
        {t(`own.${own.kind}`)}
      </div>
      <button class={paused ? 'button back' : 'button'} disabled={switching || !me} data-testid="pause" aria-pressed={paused}
        onClick={() => void props.desk.setReady(paused)}>{t(paused ? 'pause.back' : 'pause.go')}</button>
      <span class="said bad" role="alert">{switchFailed && t('pause.failed')}</span>
      <div class="grow" />
      <div class="me">
        <strong>{account.name || account.login}</strong>
        <span class="muted">{account.firm}</span>
      </div>
      <Links here="console" />
      <Tools />
      <button class="button quiet" data-testid="logout" onClick={() => { if (confirm(t('nav.logout.sure'))) props.onLogout(); }}>{t('nav.logout')}</button>
    </header>
  );
}
