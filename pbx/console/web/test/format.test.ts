import assert from 'node:assert/strict';
import test from 'node:test';
import { carText, clock, dayUnlessToday, dialable, phoneText, since, span } from '../src/logic/format.ts';

for (const [name, phone, text] of [
  ['a Russian number is grouped', '+79161234567', '+7 916 123-45-67'],
  ['a foreign number stays', '+380441234567', '+380441234567'],
  ['a short number stays', '112', '112'],
  ['a withheld number is nothing', '', ''],
  ['an alias shows what it may', '+7***4567~ABCDEFGHIJKLMNOPQRSTUVWXYZ', '+7***4567'],
] as const) test(name, () => assert.equal(phoneText(phone), text));

for (const [name, typed, number] of [
  ['eight is +7 in Russia', '8 916 123-45-67', '+79161234567'],
  ['a mobile without its country gets +7', '916 123 45 67', '+79161234567'],
  ['brackets and dots are only for the eye', '+7 (916) 123.45.67', '+79161234567'],
  ['a short number is dialled as it is', '1234', '1234'],
  ['letters are no number', 'такси', ''],
  ['an alias is dialled as it is', '+7***4567~ABCDEFGHIJKLMNOPQRSTUVWXYZ', '+7***4567~ABCDEFGHIJKLMNOPQRSTUVWXYZ'],
  ['a masked number without its seal is none', '+7***4567', ''],
  ['letters among digits are no number', '8916abc4567', ''],
  ['two digits are too few', '12', ''],
  ['a plus with little after it is no number', '+123', ''],
  ['sixteen digits are too many', '+1234567890123456', ''],
  ['a second plus in the middle does no harm', '+7916+1234567', '+79161234567'],
] as const) test(name, () => assert.equal(dialable(typed), number));

test('times are read as on a stopwatch', () => {
  assert.deepEqual([0, 7.9, 65, 3909, -3].map(span), ['0:00', '0:07', '1:05', '1:05:09', '0:00']);
});

test('a clock of the exchange that is ahead of ours gives no negative time', () => {
  assert.equal(since('2026-01-01T00:00:10Z', Date.parse('2026-01-01T00:00:00Z')), 0);
});

test('a time that is none shows as a dash', () => {
  assert.deepEqual([clock(null), clock('soon')], ['—', '—']);
});

test('today needs no date, yesterday does', () => {
  const now = new Date(2026, 10, 14, 12).getTime();
  assert.equal(dayUnlessToday(new Date(2026, 10, 14, 1).toISOString(), now), '');
  assert.equal(dayUnlessToday(new Date(2026, 10, 13, 23).toISOString(), now), '13.11');
});

test('a car without all its parts is still a car', () => {
  assert.equal(carText({ color: 'Белый', mark: '', model: 'Solaris', plate: '' }), 'Белый Solaris');
});
