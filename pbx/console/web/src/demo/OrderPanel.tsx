import { useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from '../desk/cards.ts';
import { word } from '../i18n/index.ts';
import { active, tone } from '../logic/draft.ts';
import type { Api } from '../net/api.ts';
import { statuses, type Car, type DemoInfo, type Order } from '../net/types.ts';
import { useT } from '../ui/settings.ts';

const pollMs = 1_500;
const presetCar: Car = { color: 'Белый', mark: 'Hyundai', model: 'Solaris', plate: 'М 123 ММ 55' };
const presetMinutes = 7;
const withDriver = new Set(['accepted', 'accepted_next', 'arrived', 'paid_waiting', 'in_progress', 'completed', 'late']);

/** The order of the demo's client, asked again and again: the operator may change it too. */
export function useClientOrder(api: Api, info: DemoInfo) {
  const [order, setOrder] = useState<Order | null>(null);
  const [trouble, setTrouble] = useState('');
  const asked = useRef(0);
  const load = async () => {
    const number = ++asked.current;
    try {
      const found = (await api.orders({ phone: info.client.number, active: true, limit: 1 }))[0] ?? null;
      if (number === asked.current) setOrder((before) => (before && found && before.updated === found.updated && before.id === found.id ? before : found));
    } catch (error) {
      if (number === asked.current) setTrouble(errorText(error));
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), pollMs);
    return () => clearInterval(timer);
  }, []);
  const change = async (does: () => Promise<unknown>) => {
    setTrouble('');
    try {
      await does();
    } catch (error) {
      setTrouble(errorText(error) || '—');
    }
    await load();
  };
  return { order, trouble, change };
}

type Change = ReturnType<typeof useClientOrder>['change'];

export function OrderPanel(props: { api: Api; info: DemoInfo; order: Order | null; trouble: string; change: Change }) {
  const t = useT();
  const { api, info, order, change } = props;
  const [car, setCar] = useState(presetCar);
  const [minutes, setMinutes] = useState(String(presetMinutes));
  useEffect(() => {
    if (!order) return;
    if (order.car.plate || order.car.mark) setCar(order.car);
    if (order.eta_minutes !== null) setMinutes(String(order.eta_minutes));
  }, [order?.id, order?.updated]);

  const eta = /^\d{1,3}$/.test(minutes.trim()) ? Number(minutes) : null;
  // A car comes with its driver: the one beside.
  const assigned = { car, eta_minutes: eta, driver_phone: info.driver.number };
  const set = (status: string) => void change(() => {
    const body = { status, ...(withDriver.has(status) ? assigned : {}), ...(status === 'new' || status === 'driver_refused' ? { driver_phone: null } : {}) };
    return order ? api.changeOrder(order.id, body) : api.createOrder({ phone: info.client.number, line: info.line, ...body });
  });
  const drop = () => void change(async () => {
    // Every active order goes, or the client would have the one before.
    for (const each of await api.orders({ phone: info.client.number, active: true, limit: 100 })) {
      if (active(each.status)) await api.changeOrder(each.id, { status: 'completed' });
    }
  });
  return (
    <>
      <header>
        <h2>{t('demo.order')}</h2>
        <span class={`chip ${order ? tone(order.status) : ''}`} data-testid="demo-order" data-order={order?.id ?? ''} data-status={order?.status ?? ''}>
          {order ? `№ ${order.id} · ${word(t, 'status', order.status)}` : t('demo.order.none')}
        </span>
        <span class="grow" />
        {props.trouble && <span class="bad small" role="alert" data-testid="demo-order-error">{t('demo.order.failed', { why: props.trouble })}</span>}
        {!order && <button class="button small primary" data-testid="demo-create" onClick={() => set('accepted')}>{t('demo.order.create')}</button>}
        {order && (
          <button class="button small" data-testid="demo-connect" title={t('demo.order.connect.why')} disabled={!order.driver_phone}
            onClick={() => void change(() => api.connect(order.id))}>{t('demo.order.connect')}</button>
        )}
      </header>
      <div class="statuses">
        {statuses.map((status) => (
          <button key={status} class={order?.status === status ? 'status-button here' : 'status-button'} data-testid={`demo-status-${status}`}
            onClick={() => set(status)}>{t(`status.${status}`)}</button>
        ))}
        <button class={order ? 'status-button' : 'status-button here'} data-testid="demo-status-none" onClick={drop}>{t('demo.order.drop')}</button>
      </div>
      <form class="car-fields" onSubmit={(event) => {
        event.preventDefault();
        void change(() => (order ? api.changeOrder(order.id, assigned) : api.createOrder({ phone: info.client.number, line: info.line, status: 'accepted', ...assigned })));
      }}>
        {(['color', 'mark', 'model', 'plate'] as const).map((field) => (
          <label key={field} class="field"><span class="label">{t(`field.car.${field}`)}</span>
            <input value={car[field]} maxLength={40} data-testid={`demo-car-${field}`} onInput={(e) => setCar({ ...car, [field]: e.currentTarget.value })} /></label>
        ))}
        <label class="field"><span class="label">{t('demo.order.minutes')}</span>
          <input value={minutes} inputMode="numeric" maxLength={3} data-testid="demo-minutes" onInput={(e) => setMinutes(e.currentTarget.value)} /></label>
        <button class="button" data-testid="demo-apply">{t('demo.order.apply')}</button>
      </form>
    </>
  );
}
