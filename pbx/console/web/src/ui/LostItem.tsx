import type { Cards, OpenCard } from '../desk/cards.ts';
import { clock, dayUnlessToday } from '../logic/format.ts';
import { useT } from './settings.ts';

/** Something was left in the car: client and driver may reach each other by calling the firm. */
export function LostItem({ card, cards }: { card: OpenCard; cards: Cards }) {
  const t = useT();
  if (!card.order || card.order.driver_phone === '') return null;
  const until = card.lostUntil;
  return (
    <>
      <button type="button" class="button" data-testid="lost-item" title={t('lost.why')} aria-pressed={until !== null}
        onClick={() => void cards.lostItem(card.key, until === null)}>{t(until === null ? 'lost.open' : 'lost.close')}</button>
      {until !== null && (
        <span class="muted" role="status" data-testid="lost-until">
          {t('lost.until', { time: `${dayUnlessToday(until, Date.now())} ${clock(until)}`.trim() })}
        </span>
      )}
      {card.lostError !== null && <span class="bad" role="alert" data-testid="lost-error">{t('lost.failed', { why: card.lostError || t('card.noserver') })}</span>}
    </>
  );
}
