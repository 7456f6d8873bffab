import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Key, Params } from '../i18n/index.ts';
import type { Api } from '../net/api.ts';
import { ApiError } from '../net/api.ts';
import type { Me } from '../net/types.ts';
import { Tools } from './Header.tsx';
import { settings, useT } from './settings.ts';

type Trouble = [Key, Params?];

function troubleOf(error: unknown): Trouble {
  if (!(error instanceof ApiError)) return ['login.other', { why: String(error) }];
  switch (error.status) {
    case 0: return ['login.noserver'];
    case 401: case 403: return ['login.wrong'];
    case 429: return ['login.many'];
    default: return ['login.other', { why: error.message }];
  }
}

function LoginForm(props: { api: Api; over: boolean; onLogin: (me: Me) => void }) {
  const t = useT();
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Trouble | null>(props.over ? ['login.over'] : null);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      props.onLogin(await props.api.login(login.trim(), password));
    } catch (error) {
      setTrouble(troubleOf(error));
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <div class="login-tools"><Tools /></div>
      <form class="login-box" onSubmit={submit} data-testid="login-form">
        <h1>Cabline</h1>
        <label class="field">
          <span class="label">{t('login.login')}</span>
          <input ref={first} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={64}
            data-testid="login-login" value={login} onInput={(e) => setLogin(e.currentTarget.value)} />
        </label>
        <label class="field">
          <span class="label">{t('login.password')}</span>
          <input name="password" type="password" autocomplete="current-password" required maxLength={256}
            data-testid="login-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} />
        </label>
        <p class="login-trouble" role="alert" data-testid="login-error">{trouble && t(...trouble)}</p>
        <button class="button primary big" type="submit" disabled={busy} data-testid="login-submit">
          {t(busy ? 'login.busy' : 'login.submit')}
        </button>
      </form>
    </main>
  );
}

/** Shows its children to somebody who is logged in, the form to everybody else. */
export function Gate(props: { api: Api; children: (me: Me, out: (over: boolean) => void) => ComponentChildren }) {
  const t = useT();
  const [me, setMe] = useState<Me | null>(null);
  const [asked, setAsked] = useState<'no' | 'in' | 'out' | 'over' | 'nobody'>('no');
  const enter = (account: Me) => {
    settings.suggest(account.language);
    setMe(account);
    setAsked('in');
  };
  useEffect(() => {
    if (asked !== 'no' && asked !== 'nobody') return;
    let over = false;
    const ask = () => props.api.me().then(
      (account) => { if (!over) enter(account); },
      (error: unknown) => { if (!over) setAsked(error instanceof ApiError && error.status === 401 ? 'out' : 'nobody'); },
    );
    if (asked === 'no') void ask();
    const timer = setInterval(ask, 3000);
    return () => { over = true; clearInterval(timer); };
  }, [asked]);

  if (me && asked === 'in') return <>{props.children(me, (over) => { setMe(null); setAsked(over ? 'over' : 'out'); })}</>;
  if (asked === 'no') return <main class="login" data-testid="loading"><p class="muted">{t('app.loading')}</p></main>;
  if (asked === 'nobody') return <main class="login"><p class="notice bad" role="alert" data-testid="no-server">{t('app.offline')}</p></main>;
  return <LoginForm api={props.api} over={asked === 'over'} onLogin={enter} />;
}
