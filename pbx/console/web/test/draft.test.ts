import assert from 'node:assert/strict';
import test from 'node:test';
import { active, changed, draftOf, newDraft, nextStatuses, orderOf, patchOf, rebase, tone, troubles } from '../src/logic/draft.ts';
import { statuses, type Order } from '../src/net/types.ts';

const order: Order = {
  id: '46', status: 'accepted', phone: '+79161234567', client_name: 'Ольга', line: '+74950000000', branch: 'Центр', tariff: 'Стандарт',
  pickup: 'Мира 5', dropoff: '', comment: '', eta_minutes: 7, car: { color: 'Белый', mark: 'Hyundai', model: 'Solaris', plate: 'М 123 ММ 55' },
  price: 350, driver_phone: '+79035550001', created: '2026-11-14T00:00:00Z', updated: '2026-11-14T00:00:00Z',
};
const base = draftOf(order);
const fresh = newDraft({ phone: '+79161234567', branch: 'Центр', tariff: 'Стандарт' });

test('an order that nobody touched has nothing to send', () => {
  assert.deepEqual(patchOf(base, { ...base }), {});
  assert.deepEqual(patchOf(base, { ...base, pickup: ' Мира 5 ' }), {});
});

test('only what was changed is sent, the car field by field', () => {
  assert.deepEqual(patchOf(base, { ...base, status: 'arrived', 'car.plate': 'А 001 АА 55' }), { status: 'arrived', car: { plate: 'А 001 АА 55' } });
});

test('what was wiped out is cleared with null', () => {
  assert.deepEqual(patchOf(base, { ...base, eta_minutes: '', driver_phone: ' ', 'car.color': '' }), { eta_minutes: null, driver_phone: null, car: { color: null } });
});

test('numbers are sent as numbers, phones as they are dialled', () => {
  assert.deepEqual(patchOf(base, { ...base, eta_minutes: '0', price: '400', driver_phone: '8 903 555-00-02' }),
    { eta_minutes: 0, price: 400, driver_phone: '+79035550002' });
});

test('a new order carries what the call told and leaves out what is empty', () => {
  assert.deepEqual(orderOf({ ...fresh, pickup: 'Ленина 12' }, '+74950000000'),
    { phone: '+79161234567', status: 'new', pickup: 'Ленина 12', branch: 'Центр', tariff: 'Стандарт', line: '+74950000000' });
});

for (const [name, change, want] of [
  ['a good order has no troubles', {}, {}],
  ['a phone must be there', { phone: ' ' }, { phone: 'required' }],
  ['a phone must be a phone', { phone: 'нет', driver_phone: '12' }, { phone: 'phone', driver_phone: 'phone' }],
  ['a driver is not a must', { driver_phone: '' }, {}],
  ['minutes are whole and not for ever', { eta_minutes: 'скоро' }, { eta_minutes: 'minutes' }],
  ['minutes are not negative', { eta_minutes: '-1' }, { eta_minutes: 'minutes' }],
  ['two days of minutes are too many', { eta_minutes: '2880' }, { eta_minutes: 'minutes' }],
  ['a price has no kopecks', { price: '350.50' }, { price: 'price' }],
  ['a plate is not a novel', { 'car.plate': 'А'.repeat(17) }, { 'car.plate': 'long' }],
] as const) test(name, () => assert.deepEqual(troubles({ ...base, ...change }), want));

test('news from elsewhere comes in, what is being written stays', () => {
  const written = { ...base, pickup: 'Мира 7' };
  const news = draftOf({ ...order, status: 'arrived', pickup: 'Мира 5а', eta_minutes: 0 });
  const merged = rebase(base, written, news);
  assert.equal(merged.status, 'arrived');
  assert.equal(merged.eta_minutes, '0');
  assert.equal(merged.pickup, 'Мира 7');
  assert.deepEqual(changed(news, merged), ['pickup']);
});

test('an order over is no active order', () => {
  assert.deepEqual(statuses.filter((status) => !active(status)), ['completed', 'refused', 'overdue', 'cancelled_by_driver', 'mistake']);
});

test('every next status exists, and every status has a tone', () => {
  for (const [from, to] of Object.entries(nextStatuses)) {
    for (const status of [from, ...to]) assert.ok((statuses as readonly string[]).includes(status), status);
  }
  assert.deepEqual(['new', 'accepted', 'arrived', 'late', 'completed', 'unheard_of'].map(tone), ['search', 'drive', 'here', 'trouble', 'over', 'over']);
});
