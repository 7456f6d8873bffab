import type { Ref } from 'preact';
import { word } from '../i18n/index.ts';
import { longest, type Draft, type Field } from '../logic/draft.ts';
import { statuses } from '../net/types.ts';
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
  return (
    <div class="order-form">
      {order.map((field) => {
        const error = props.errors[field];
        const testid = `order-${field.replace('.', '-')}`;
        const common = {
          'data-testid': testid, 'aria-invalid': error ? true : undefined, name: field,
          class: props.changed.includes(field) ? 'changed' : '',
        };
        return (
          <label key={field} class={`field ${widths[field] ?? ''} ${error ? 'wrong' : ''}`}>
            <span class="label">
              <span class="name">{t(`field.${field}`)}</span>
              {error && <span class="trouble" role="alert" data-testid={`${testid}-error`}>{word(t, 'trouble', error)}</span>}
            </span>
            {field === 'status' ? (
              <select {...common} value={props.draft.status} onChange={(e) => props.onEdit(field, e.currentTarget.value)}>
                <StatusOptions current={props.draft.status} />
              </select>
            ) : (
              <input {...common} {...extra[field]} autocomplete="off" maxLength={longest[field]} ref={field === 'pickup' ? props.first : undefined}
                value={props.draft[field]} onInput={(e) => props.onEdit(field, e.currentTarget.value)} />
            )}
          </label>
        );
      })}
      <datalist id="colors">{colors[language].map((each) => <option key={each} value={each} />)}</datalist>
      <datalist id="marks">{marks.map((each) => <option key={each} value={each} />)}</datalist>
    </div>
  );
}

/** Every status there is, and the order's own if it is one the dispatch system made up. */
export function StatusOptions(props: { current: string }) {
  const t = useT();
  const known = (statuses as readonly string[]).includes(props.current);
  const all: string[] = known ? [...statuses] : [props.current, ...statuses];
  return <>{all.map((status) => <option key={status} value={status}>{word(t, 'status', status)}</option>)}</>;
}
