import assert from 'node:assert/strict';
import test from 'node:test';
import { tables, translator } from '../src/i18n/index.ts';
import { hasNumber, missed, recorded } from '../src/logic/history.ts';
import { noticeStepText, stepText } from '../src/logic/steps.ts';
import { story, type Scene } from '../src/logic/story.ts';
import { readProblem } from '../src/net/api.ts';
import type { CDR } from '../src/net/types.ts';

const ru = translator('ru');
const call: CDR = {
  id: 'k1', kind: 'inbound', line: '+74950000000', from: '+79161234567', to: '', order_id: '', branch: '', started: '2026-11-14T00:00:00Z', answered: null,
  ended: '2026-11-14T00:01:00Z', waited_seconds: 55, talked_seconds: 0, state: 'ended', result: 'hung up', steps: [{ at: '', what: 'wait for operator' }], legs: [],
};

test('a client who waited and talked to nobody was missed', () => assert.ok(missed(call)));
test('a client who talked was not missed', () => assert.ok(!missed({ ...call, talked_seconds: 3 })));
test('a client who heard where the car is and hung up was not missed', () => assert.ok(!missed({ ...call, steps: [{ at: '', what: 'menu: accepted' }] })));
test('a client who waits still is not missed yet', () => assert.ok(!missed({ ...call, ended: null })));

test('a call is found by any part of a number, as people write it', () => {
  for (const text of ['', '4567', '8 916 123-45-67', '+7 (916)', '495']) assert.ok(hasNumber(call, text), text);
  assert.ok(!hasNumber(call, '9035550001'));
});

const steps: [string, string][] = [
  ['look up order', 'спросили диспетчерскую, есть ли заказ'], ['order 46', 'нашли заказ 46'], ['order look-up: timeout', 'диспетчерская не ответила (истекло время)'],
  ['menu: accepted', 'робот говорит: «Водитель едет»'], ['dial driver', 'звоним водителю'], ['driver: no answer', 'водитель: не ответили'],
  ['talk to operator anna', 'говорит с оператором anna'], ['operator anna: answered elsewhere', 'оператор anna: ответил другой'],
  ['operator anna dials', 'оператор anna набирает номер'], ['ended: hung up', 'конец: положили трубку'], ['a step of next year', 'a step of next year'],
];
for (const [step, text] of steps) test(`the step "${step}" is told in Russian`, () => assert.equal(stepText(ru, step), text));

// What pbx/notify.go, autodial.go, incall.go and store/notices.go write.
const journal: [string, string][] = [
  ['to be told', 'поставлено в очередь'], ['no calls about this status', 'об этом статусе не звоним'], ['the client wants no calls', 'клиент просил не звонить'],
  ['by arrived', 'заказ уже «Машина ждёт»'], ['superseded by arrived', 'заказ уже «Машина ждёт»'], ['call 2', 'звонок 2'],
  ['busy; again in 1m0s', 'занято, ещё раз через 1:00'], ['no answer; again in 1h0m5s', 'не ответили, ещё раз через 1:00:05'], ['hung up', 'положили трубку'],
  ['completed', 'клиент ничего не нажал'], ['heard', 'клиент дослушал до конца'], ['key: coming_out', 'клиент нажал: выхожу'], ['answer: cancel', 'клиент ответил: отменить заказ'],
  ['read from the dispatch system; no calls about this status', 'прочитано в диспетчерской: об этом статусе не звоним'],
  ['the exchange ended while it was speaking', 'станция остановилась («говорим»), звоним ещё раз'],
  ['the exchange ended while it was speaking, for the second time', 'станция остановилась во второй раз («говорим»)'],
  ['busy; again in 1m0s; arrived came meanwhile', 'занято, ещё раз через 1:00; тем временем заказ стал «Машина ждёт»'],
  ['a step of next year', 'a step of next year'],
];
for (const [step, text] of journal) test(`the journal's "${step}" is told in Russian`, () => assert.equal(noticeStepText(ru, step), text));

const idle: Scene = { asking: false, client: { line: 'up', phase: 'none' }, driver: { line: 'up', phase: 'none' }, operator: 'none', state: '', order: { status: 'x', hasDriver: true } };
const talking = { line: 'up', phase: 'talking' } as const;
const scenes: [string, Partial<Scene>, string][] = [
  ['a question for the microphone comes first', { asking: true }, 'story.mic'],
  ['phones that are not registered yet', { driver: { line: 'connecting', phase: 'none' } }, 'story.starting'],
  ['a phone without service', { client: { line: 'down', phase: 'none' } }, 'story.dead'],
  ['an order and nobody calling', {}, 'story.order'],
  ['no order and nobody calling', { order: null }, 'story.no_order'],
  ['the client dials', { client: { line: 'up', phase: 'calling' } }, 'story.calling'],
  ['the menu with a driver', { client: talking, state: 'in_menu' }, 'story.menu_driver'],
  ['the menu without a driver', { client: talking, state: 'in_menu', order: { status: 'x', hasDriver: false } }, 'story.menu'],
  ['the driver is dialled', { client: talking, state: 'calling_driver' }, 'story.driver_dialling'],
  ['the driver rings', { client: talking, driver: { line: 'up', phase: 'ringing' }, state: 'calling_driver' }, 'story.driver_ringing'],
  ['client and driver talk', { client: talking, driver: talking, state: 'talking' }, 'story.driver_talking'],
  ['the client waits', { client: talking, state: 'waiting' }, 'story.waiting'],
  ['the operator rings', { client: talking, operator: 'ringing', state: 'waiting' }, 'story.operator_ringing'],
  ['the operator talks about an order', { client: talking, operator: 'talking', state: 'talking' }, 'story.operator_talking_order'],
  ['the operator takes a new order', { client: talking, operator: 'talking', state: 'talking', order: null }, 'story.operator_talking'],
  ['the exchange calls the client', { client: { line: 'up', phase: 'ringing' }, state: 'calling_client' }, 'story.client_ringing'],
];
for (const [name, change, want] of scenes) {
  test(`the demo explains: ${name}`, () => {
    const [key] = story({ ...idle, ...change });
    assert.equal(key, want);
    assert.ok(key in tables.ru);
  });
}

test('a problem tells which field is wrong, whoever wrote it', () => {
  const wrong = readProblem(422, { title: 'Unprocessable Entity', detail: 'validation failed', errors: [
    { location: 'body.car.plate', message: 'too long' }, { pointer: '#/price', detail: 'no number' }, { field: 'phone', reason: 'no phone' }, { nonsense: 1 }, 'x',
  ] });
  assert.equal(wrong.message, 'validation failed');
  assert.deepEqual(wrong.fields, { 'car.plate': 'too long', price: 'no number', phone: 'no phone' });
});

test('an answer that is no problem document is still an error', () => {
  assert.equal(readProblem(502, undefined).message, 'HTTP 502');
  assert.equal(readProblem(500, 'oops').status, 500);
});

test('a call that is over and was recorded has something to hear', () => {
  const what = (ended: string | null, ...steps: string[]) => recorded({ ...call, ended, steps: steps.map((what) => ({ at: '', what })) });
  assert.equal(what('2026-11-22T12:00:00Z', 'talk to driver', 'the talk is recorded'), true);
  assert.equal(what('2026-11-22T12:00:00Z', 'talk to driver'), false);
  assert.equal(what(null, 'the talk is recorded'), false); // its file is not whole
});
