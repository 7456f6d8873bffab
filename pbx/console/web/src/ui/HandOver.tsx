import { useEffect, useState } from 'preact/hooks';
import type { Desk } from '../desk/desk.ts';
import { dialable, phoneText } from '../logic/format.ts';
import type { Call } from '../phone/types.ts';
import { useStore, useT } from './settings.ts';

/** Whom the other side may go on with: a colleague who is free, the driver of the order, any number. */
export function HandOver({ desk, call, done }: { desk: Desk; call: Call; done: () => void }) {
  const t = useT();
  const { floor } = useStore(desk.live);
  const { open } = useStore(desk.cards);
  const [text, setText] = useState('');
  const [bad, setBad] = useState(false);
  const colleagues = (floor?.operators ?? []).filter((each) => each.login !== desk.account.login && each.online && each.state === 'free');
  const driver = dialable(open.find((each) => each.callId === call.id)?.draft.driver_phone ?? '');
  const to = (whom: string) => {
    desk.phone.handOver(whom);
    done();
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => { if (event.key === 'Escape') done(); };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    const number = dialable(text);
    setBad(number === '');
    if (number !== '') to(number);
  };
  return (
    <div class="keypad-over hand-over" data-testid="hand-over-to">
      {driver && <button class="button" data-testid="hand-over-driver" onClick={() => to(driver)}>{t('hand.driver')}<small>{phoneText(driver)}</small></button>}
      {colleagues.map((each) => (
        <button class="button" key={each.login} data-testid={`hand-over-${each.login}`} onClick={() => to(each.login)}>{each.name || each.login}</button>
      ))}
      {colleagues.length === 0 && <p class="muted small">{t('hand.nobody')}</p>}
      <form onSubmit={submit}>
        <label class={bad ? 'field wrong' : 'field'}>
          <span class="label">{t('hand.number')}</span>
          <input type="tel" inputMode="tel" autocomplete="off" maxLength={24} placeholder={t('dial.placeholder')} data-testid="hand-over-number"
            value={text} onInput={(e) => { setText(e.currentTarget.value); setBad(false); }} />
          {bad && <span class="trouble" role="alert">{t('dial.bad')}</span>}
        </label>
        <button class="button" data-testid="hand-over-do">{t('call.handOver')}</button>
      </form>
    </div>
  );
}
