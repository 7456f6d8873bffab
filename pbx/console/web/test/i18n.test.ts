import assert from 'node:assert/strict';
import test from 'node:test';
import { tables, translator, word, type Key } from '../src/i18n/index.ts';
import { statuses } from '../src/net/types.ts';

const { ru, en } = tables;
const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test('Russian and English have the same keys', () => {
  assert.deepEqual(Object.keys(en).sort(), Object.keys(ru).sort());
});

test('every text has the same places to fill in both languages', () => {
  for (const key of Object.keys(ru) as Key[]) assert.deepEqual(places(en[key]), places(ru[key]), key);
});

test('no text is empty, and English has no Cyrillic but the name of Russian', () => {
  for (const key of Object.keys(ru) as Key[]) {
    assert.notEqual(ru[key].trim(), '', key);
    assert.notEqual(en[key].trim(), '', key);
    if (key !== 'nav.language') assert.doesNotMatch(en[key], /[а-яё]/i, key);
  }
});

test('every order status has a name', () => {
  for (const status of statuses) assert.ok(`status.${status}` in ru, status);
});

test('every result word of the exchange has a translation', () => {
  // pbx/cdr.go, endings
  for (const result of ['completed', 'busy', 'no answer', 'rejected', 'unreachable', 'session expired', 'no free channel', 'answered elsewhere', 'media lost',
    'shutdown', 'not allowed', 'no order', 'hung up', 'timeout', 'cancelled', 'operator wanted', 'failed']) assert.ok(`result.${result}` in ru, result);
});

test('places are filled in, unknown words stay as they came', () => {
  const t = translator('ru');
  assert.equal(t('card.order', { id: 46 }), 'Заказ 46');
  assert.equal(t('card.order'), 'Заказ {id}');
  assert.equal(word(t, 'status', 'arrived'), 'Машина ждёт');
  assert.equal(word(t, 'status', 'on_fire'), 'on_fire');
});
