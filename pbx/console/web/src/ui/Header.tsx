import type { ComponentChildren } from 'preact';
import { settings, useStore, useT } from './settings.ts';

/** Language and theme. */
export function Tools() {
  const t = useT();
  const { language, theme } = useStore(settings);
  return (
    <div class="tools">
      <button class="button quiet" data-testid="language" onClick={() => settings.choose({ language: language === 'ru' ? 'en' : 'ru' })}>
        {t('nav.language')}
      </button>
      <button class="button quiet icon" data-testid="theme" title={t(theme === 'dark' ? 'nav.theme.light' : 'nav.theme.dark')}
        aria-label={t(theme === 'dark' ? 'nav.theme.light' : 'nav.theme.dark')}
        onClick={() => settings.choose({ theme: theme === 'dark' ? 'light' : 'dark' })}>
        {theme === 'dark' ? '☀' : '☾'}
      </button>
    </div>
  );
}

export type PageName = 'console' | 'orders' | 'calls' | 'notices';

/** The other pages open beside the console, never in its place: leaving it would take the line down. */
export function Links(props: { here: PageName }) {
  const t = useT();
  const link = (name: PageName, href: string) => (
    props.here === name
      ? <a class="here" aria-current="page" href={href} data-testid={`nav-${name}`}>{t(`nav.${name}`)}</a>
      : <a href={href} target={`cabline-${name}`} data-testid={`nav-${name}`}>{t(`nav.${name}`)}</a>
  );
  return <nav class="links">{link('console', '/')}{link('orders', '/orders')}{link('calls', '/calls')}{link('notices', '/notices')}</nav>;
}

/** The head of the pages that are lists. */
export function Header(props: { here: PageName; firm: string; children?: ComponentChildren }) {
  return (
    <header class="top">
      <strong class="firm">{props.firm}</strong>
      <Links here={props.here} />
      <div class="grow" />
      {props.children}
      <Tools />
    </header>
  );
}
