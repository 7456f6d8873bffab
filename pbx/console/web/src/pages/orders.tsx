import { render, type ComponentChildren } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Cards, dirty, errorText, type OpenCard } from '../desk/cards.ts';
import { active, changed, tone } from '../logic/draft.ts';
import { carText, clock, dayUnlessToday, dialable } from '../logic/format.ts';
import { Api } from '../net/api.ts';
import type { Me, Order } from '../net/types.ts';
import { Header } from '../ui/Header.tsx';
import { Gate } from '../ui/Login.tsx';
import { LostItem } from '../ui/LostItem.tsx';
import { OrderForm, StatusOptions } from '../ui/OrderForm.tsx';
import { Dial, PhoneLink, dialElsewhere } from '../ui/PhoneLink.tsx';
import { useNow, useStore, useT } from '../ui/settings.ts';
import '../style.css';

const api = new Api();
const refreshMs = 5_000;
const limit = 200;

interface Filter { phone: string; active: boolean }

/** The order book as it is now: asked again every few seconds, kept when nobody answers. */
function useOrders(filter: Filter) {
  const [orders, setOrders] = useState<Order[] | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const asked = useRef(0);
  const load = useCallback(async () => {
    const number = ++asked.current;
    try {
      const found = await api.orders({ ...filter, limit });
      if (number !== asked.current) return; // a later question overtook this one
      setOrders(found);
      setTrouble(null);
    } catch (error) {
      if (number === asked.current) setTrouble(errorText(error));
    }
  }, [filter.phone, filter.active]);
  useEffect(() => {
    void load();
    const timer = setInterval(() => { if (!document.hidden) void load(); }, refreshMs);
    return () => clearInterval(timer);
  }, [load]);
  return { orders, trouble, load };
}

function OrderBook(props: { me: Me }) {
  const t = useT();
  const [filter, setFilter] = useState<Filter>({ phone: '', active: true });
  const { orders, trouble, load } = useOrders(filter);
  const cards = useMemo(() => new Cards(api), []);
  const { open } = useStore(cards);
  const [statusTrouble, setStatusTrouble] = useState('');
  const now = useNow(60_000);
  const fresh = open.find((card) => card.order === null || card.created);

  const setStatus = async (order: Order, status: string) => {
    setStatusTrouble('');
    try {
      await api.changeOrder(order.id, { status });
    } catch (error) {
      setStatusTrouble(t('orders.status.failed', { why: errorText(error) || t('card.noserver') }));
    }
    await load();
  };
  return (
    <Dial.Provider value={dialElsewhere}>
      <Header here="orders" firm={props.me.firm} />
      <main class="list">
        <Filters filter={filter} onFilter={setFilter}>
          <button type="button" class="button primary" data-testid="new-order" disabled={fresh?.order === null}
            onClick={() => cards.blank({ phone: filter.phone })}>{t('orders.new')}</button>
        </Filters>
        {trouble !== null && <p class="notice bad" role="alert" data-testid="orders-error">{t('orders.failed', { why: trouble || t('card.noserver') })}</p>}
        {statusTrouble && <p class="notice bad" role="alert" data-testid="status-error">{statusTrouble}</p>}
        {fresh && <div class="pane" data-testid="new-order-form"><Editor card={fresh} cards={cards} onSaved={load} title={t('orders.new')} /></div>}
        <table class="fixed" data-testid="orders">
          <thead>
            <tr>
              <th class="c-id">{t('orders.col.id')}</th><th class="c-phone">{t('orders.col.client')}</th><th>{t('orders.col.route')}</th>
              <th class="c-status">{t('orders.col.status')}</th><th class="c-car">{t('orders.col.car')}</th><th class="c-phone">{t('orders.col.driver')}</th>
              <th class="num c-eta">{t('orders.col.eta')}</th><th class="num c-price">{t('orders.col.price')}</th><th class="c-edit" />
            </tr>
          </thead>
          <tbody>
            {orders?.map((order) => {
              const card = open.find((each) => each.order?.id === order.id && each !== fresh);
              return (
                <Row key={order.id} order={order} now={now} open={card !== undefined} onStatus={(status) => void setStatus(order, status)}
                  onOpen={() => (card ? cards.close(card.key) : cards.show(order))}>
                  {card && <Editor card={card} cards={cards} onSaved={load} />}
                </Row>
              );
            })}
          </tbody>
        </table>
        {orders?.length === 0 && <p class="none" data-testid="no-orders">{t(filter.phone ? 'orders.none.search' : 'orders.none')}</p>}
      </main>
    </Dial.Provider>
  );
}

function Filters(props: { filter: Filter; onFilter: (filter: Filter) => void; children: ComponentChildren }) {
  const t = useT();
  const { filter, onFilter } = props;
  const [text, setText] = useState('');
  const search = (event: Event) => {
    event.preventDefault();
    onFilter({ ...filter, phone: dialable(text) || text.trim() });
  };
  const type = (typed: string) => {
    setText(typed);
    if (typed === '') onFilter({ ...filter, phone: '' });
  };
  return (
    <form class="filters" onSubmit={search}>
      <h1>{t('orders.title')}</h1>
      <input type="tel" placeholder={t('orders.search')} aria-label={t('orders.search')} data-testid="search" maxLength={24} value={text}
        onInput={(e) => type(e.currentTarget.value)} />
      <button class="button" data-testid="search-do">{t('orders.search.do')}</button>
      <label class="check">
        <input type="checkbox" checked={filter.active} data-testid="active-only" onChange={(e) => onFilter({ ...filter, active: e.currentTarget.checked })} />
        {t('orders.active')}
      </label>
      <span class="grow" />
      {props.children}
    </form>
  );
}

function Row(props: { order: Order; now: number; open: boolean; onStatus: (status: string) => void; onOpen: () => void; children?: ComponentChildren }) {
  const t = useT();
  const { order } = props;
  return (
    <>
      <tr class={`row ${active(order.status) ? '' : 'over'} ${props.open ? 'open' : ''}`} data-testid={`order-row-${order.id}`} data-status={order.status}>
        <td class="nowrap"><strong>{order.id}</strong><div class="small muted">{dayUnlessToday(order.created, props.now) || clock(order.created)}</div></td>
        <td class="nowrap"><PhoneLink phone={order.phone} />{order.client_name && <div class="small muted">{order.client_name}</div>}</td>
        <td class="route"><div>{order.pickup || '—'}</div>{order.dropoff && <div class="muted">{order.dropoff}</div>}</td>
        <td>
          <select class={tone(order.status)} aria-label={t('field.status')} value={order.status} data-testid={`status-${order.id}`}
            onChange={(e) => props.onStatus(e.currentTarget.value)}><StatusOptions current={order.status} /></select>
        </td>
        <td>{carText({ ...order.car, plate: '' }) || '—'}<div class="nowrap muted">{order.car.plate}</div></td>
        <td class="nowrap">{order.driver_phone ? <PhoneLink phone={order.driver_phone} /> : '—'}</td>
        <td class="num">{order.eta_minutes ?? '—'}</td>
        <td class="num">{order.price ? `${order.price} ₽` : '—'}</td>
        <td class="num"><button class="button small" aria-expanded={props.open} data-testid={`edit-${order.id}`} onClick={props.onOpen}>
          {t(props.open ? 'orders.close' : 'orders.edit')}</button></td>
      </tr>
      {props.open && <tr><td class="detail" colSpan={9}>{props.children}</td></tr>}
    </>
  );
}

function Editor(props: { card: OpenCard; cards: Cards; onSaved: () => Promise<void>; title?: string }) {
  const t = useT();
  const { card, cards } = props;
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const edited = dirty(card);
  const wrong = Object.keys(card.errors).length > 0;
  const save = async () => {
    if (!await cards.save(card.key)) return;
    if (!card.order) cards.close(card.key);
    await props.onSaved();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void save();
    } else if (event.key === 'Escape' && !edited) cards.close(card.key);
  };
  let [said, tone] = ['', ''];
  if (wrong) [said, tone] = [t('card.failed.fields'), 'bad'];
  else if (card.saveError !== null) [said, tone] = [t('card.failed', { why: card.saveError || t('card.noserver') }), 'bad'];
  else if (edited && card.order) [said, tone] = [t('card.unsaved'), 'warn'];
  else if (card.savedAt) [said, tone] = [t('card.saved', { time: clock(new Date(card.savedAt).toISOString(), true) }), 'good'];
  return (
    <form class="edit-box" data-testid={card.order ? `editor-${card.order.id}` : 'editor-new'} onKeyDown={onKey}
      onSubmit={(event) => { event.preventDefault(); void save(); }}>
      {props.title && <h2>{props.title}</h2>}
      <OrderForm draft={card.draft} changed={card.order ? changed(card.base, card.draft) : []} errors={card.errors} first={first}
        onEdit={(field, text) => cards.edit(card.key, field, text)} />
      <div class="edit-foot">
        <button class="button primary" data-testid="save" disabled={card.saving || (card.order !== null && !edited)}>
          {t(card.saving ? 'card.saving' : card.order ? 'card.save' : 'card.create')}</button>
        {card.order && edited && <button type="button" class="button" data-testid="reset" onClick={() => cards.reset(card.key)}>{t('card.reset')}</button>}
        <button type="button" class="button quiet" data-testid="close" onClick={() => { if (!edited || !card.order || confirm(t('card.close.sure'))) cards.close(card.key); }}>{t('orders.close')}</button>
        <LostItem card={card} cards={cards} />
        <span class={`said ${tone}`} role="status" data-testid="said">{said}</span>
      </div>
    </form>
  );
}

render(<Gate api={api}>{(me) => <OrderBook me={me} />}</Gate>, document.getElementById('app')!);
