import { useEffect, useRef } from 'preact/hooks';
import { word } from '../i18n/index.ts';
import { dirty, type Cards, type OpenCard } from '../desk/cards.ts';
import { changed, nextStatuses, tone } from '../logic/draft.ts';
import { clock, phoneText } from '../logic/format.ts';
import { LostItem } from './LostItem.tsx';
import { OrderForm } from './OrderForm.tsx';
import { useStore, useT } from './settings.ts';

/** The order cards: the one in front whole, the others as tabs above it. */
export function CardPane(props: { cards: Cards; talking: string }) {
  const t = useT();
  const { open } = useStore(props.cards);
  const front = props.cards.front;
  if (!front) {
    return (
      <section class="pane card empty" data-testid="card-empty">
        <h2>{t('card.empty.title')}</h2>
        <p>{t('card.empty.hint')}</p>
        <button class="button" data-testid="card-blank" onClick={() => props.cards.blank()}>{t('card.new')}</button>
      </section>
    );
  }
  return (
    <section class="pane card" data-testid="card" data-order={front.order?.id ?? ''} data-call={front.callId}>
      {open.length > 1 && (
        <div class="tabs" role="tablist">
          {open.map((card) => (
            <button key={card.key} role="tab" aria-selected={card === front} class={card === front ? 'tab here' : 'tab'}
              data-testid="card-tab" onClick={() => props.cards.bring(card.key)}>
              {card.order ? t('card.order', { id: card.order.id }) : t('card.new')}
              {' · '}{phoneText(card.draft.phone) || '—'}{dirty(card) ? ' ●' : ''}
            </button>
          ))}
        </div>
      )}
      <CardBody key={front.key} card={front} cards={props.cards} talking={props.talking !== '' && props.talking === front.callId} />
    </section>
  );
}

function CardBody({ card, cards, talking }: { card: OpenCard; cards: Cards; talking: boolean }) {
  const t = useT();
  const first = useRef<HTMLInputElement>(null);
  // Once the client talks the operator writes: straight into the address of a new order.
  useEffect(() => {
    const focused = document.activeElement;
    if (talking && !card.order && !card.loading && !focused?.matches('input, select, textarea')) first.current?.focus();
  }, [talking, card.loading]);

  const save = () => void cards.save(card.key);
  const close = () => {
    if (!dirty(card) || confirm(t('card.close.sure'))) cards.close(card.key);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      save();
    }
  };
  const next = card.order ? (nextStatuses[card.order.status] ?? []) : [];
  return (
    <form class="card-body" onKeyDown={onKey} onSubmit={(event) => { event.preventDefault(); save(); }}>
      <div class="card-head">
        <h2 data-testid="card-title">{card.order ? t('card.order', { id: card.order.id }) : t('card.new')}</h2>
        {card.order && <span class={`chip ${tone(card.order.status)}`} data-testid="card-status" data-status={card.order.status}>{word(t, 'status', card.order.status)}</span>}
        {card.driver && <span class="chip drive" data-testid="card-driver">{t('card.driver')}</span>}
        {card.link && <a class="button small" href={card.link} target="_blank" rel="noopener noreferrer" data-testid="card-link">{t('card.link')}</a>}
        {card.loading && <span class="muted" data-testid="card-loading">{t('card.loading')}</span>}
        <div class="next">
          {next.map((status) => (
            <button type="button" key={status} class="button small" disabled={card.saving} data-testid={`card-next-${status}`}
              onClick={() => void cards.save(card.key, { status })}>{t('status.to', { status: word(t, 'status', status) })}</button>
          ))}
        </div>
        <button type="button" class="button quiet icon" title={t('card.close')} aria-label={t('card.close')} data-testid="card-close" onClick={close}>✕</button>
      </div>
      {card.loadError !== null && (
        <p class="notice bad" role="alert" data-testid="card-load-error">
          {t('card.load.failed', { why: card.loadError || t('card.noserver') })}
          <button type="button" class="button small" data-testid="card-reload" onClick={() => void cards.load(card.key)}>{t('card.load.retry')}</button>
        </p>
      )}
      <OrderForm draft={card.draft} changed={card.order ? changed(card.base, card.draft) : []} errors={card.errors}
        first={first} onEdit={(field, text) => cards.edit(card.key, field, text)} />
      <CardFoot card={card} cards={cards} />
    </form>
  );
}

function CardFoot({ card, cards }: { card: OpenCard; cards: Cards }) {
  const t = useT();
  const edited = dirty(card);
  const wrong = Object.keys(card.errors).length > 0;
  let said = '';
  let tone = 'muted';
  if (wrong) [said, tone] = [t('card.failed.fields'), 'bad'];
  else if (card.saveError !== null) [said, tone] = [t('card.failed', { why: card.saveError || t('card.noserver') }), 'bad'];
  else if (card.order && edited) [said, tone] = [t('card.unsaved'), 'warn'];
  else if (card.savedAt) {
    const time = clock(new Date(card.savedAt).toISOString(), true);
    [said, tone] = [t(card.created ? 'card.created' : 'card.saved', { time }), 'good'];
  }
  return (
    <div class="card-foot">
      <button type="submit" class="button primary" data-testid="card-save" disabled={card.saving || (card.order !== null && !edited)}>
        {t(card.saving ? 'card.saving' : card.order ? 'card.save' : 'card.create')} <kbd>{t('card.save.key')}</kbd>
      </button>
      {card.order && edited && <button type="button" class="button" data-testid="card-reset" onClick={() => cards.reset(card.key)}>{t('card.reset')}</button>}
      <LostItem card={card} cards={cards} />
      <span class={`said ${tone}`} role="status" data-testid="card-said">{said}</span>
    </div>
  );
}
