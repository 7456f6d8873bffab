import type { Ref } from 'preact';
import { useContext, useId } from 'preact/hooks';
import { word } from '../i18n/index.ts';
import { boxText, dialable, phoneText } from '../logic/format.ts';
import { longest, type Draft, type Field } from '../logic/draft.ts';
import { statuses } from '../net/types.ts';
import { Dial } from './PhoneLink.tsx';
import { settings, useStore, useT } from './settings.ts';

const colors = {
  ru: ['Белый', 'Чёрный', 'Серый', 'Серебристый', 'Синий', 'Красный', 'Жёлтый', 'Зелёный', 'Коричневый', 'Бежевый'],
  en: ['White', 'Black', 'Grey', 'Silver', 'Blue', 'Red', 'Yellow', 'Green', 'Brown', 'Beige'],
};
const marks = ['Hyundai', 'Kia', 'Lada', 'Renault', 'Skoda', 'Volkswagen', 'Toyota', 'Chery', 'Geely', 'Haval', 'Nissan', 'Ford'];

const widths: Partial<Record<Field, string>> = { phone: 'w2', pickup: 'w2', dropoff: 'w2', comment: 'w2' };
const order: Field[] = [
  'phone', 'client_name', 'status', 'pickup', 'dropoff', 'car.color', 'car.mark', 'car.model', 'car.plate',
  'eta_minutes', 'driver_phone', 'price', 'tariff', 'comment', 'branch',
];
const extra: Partial<Record<Field, Record<string, unknown>>> = {
  phone: { inputMode: 'tel' }, driver_phone: { inputMode: 'tel' }, eta_minutes: { inputMode: 'numeric' },
  price: { inputMode: 'numeric' }, 'car.color': { list: 'colors' }, 'car.mark': { list: 'marks' },
};

export interface OrderFormProps {
  draft: Draft;
  changed: Field[];
  errors: Partial<Record<Field, string>>;
  onEdit: (field: Field, text: string) => void;
  first?: Ref<HTMLInputElement>; // the box to begin in
}

/** The boxes of an order, each with what is wrong with it beside its name. */
export function OrderForm(props: OrderFormProps) {
  const t = useT();
  const { language } = useStore(settings);
  const form = useId();
  return (
    <div class="order-form">
      {order.map((field) => {
        const error = props.errors[field];
        const testid = `order-${field.replace('.', '-')}`;
        const box = `${form}-${field}`;
        const common = {
          'data-testid': testid, 'aria-invalid': error ? true : undefined, 'aria-describedby': error ? `${box}-trouble` : undefined,
          id: box, name: field, class: props.changed.includes(field) ? 'changed' : '',
        };
        return (
          <div key={field} class={`field ${widths[field] ?? ''} ${error ? 'wrong' : ''}`}>
            <div class="label">
              <label for={box}>{t(`field.${field}`)}</label>
              {(field === 'phone' || field === 'driver_phone') && <CallLink text={props.draft[field]} long={field === 'phone'} testid={field === 'phone' ? 'card-call-client' : 'card-call-driver'} />}
            </div>
            {field === 'status' ? (
              <select {...common} value={props.draft.status} onChange={(e) => props.onEdit(field, e.currentTarget.value)}>
                <StatusOptions current={props.draft.status} />
              </select>
            ) : (
              <input {...common} {...extra[field]} autocomplete="off" maxLength={longest[field]} ref={field === 'pickup' ? props.first : undefined}
                value={boxText(props.draft[field])} onInput={(e) => props.onEdit(field, e.currentTarget.value)} />
            )}
            {error && <span class="trouble" role="alert" id={`${box}-trouble`} data-testid={`${testid}-error`}>{word(t, 'trouble', error)}</span>}
          </div>
        );
      })}
      <datalist id="colors">{colors[language].map((each) => <option key={each} value={each} />)}</datalist>
      <datalist id="marks">{marks.map((each) => <option key={each} value={each} />)}</datalist>
    </div>
  );
}

function CallLink(props: { text: string; long: boolean; testid: string }) {
  const t = useT();
  const dial = useContext(Dial);
  const number = dialable(props.text);
  if (!dial || number === '') return null;
  return (
    <button type="button" class="number link" title={t('call.to', { phone: phoneText(number) })} data-testid={props.testid} data-phone={number}
      aria-label={t('call.to', { phone: phoneText(number) })} onClick={() => dial(number)}>☎{props.long && ` ${t('call.do')}`}</button>
  );
}

/** Every status there is, and the order's own if it is one the dispatch system made up. */
export function StatusOptions(props: { current: string }) {
  const t = useT();
  const known = (statuses as readonly string[]).includes(props.current);
  const all: string[] = known ? [...statuses] : [props.current, ...statuses];
  return <>{all.map((status) => <option key={status} value={status}>{word(t, 'status', status)}</option>)}</>;
}
