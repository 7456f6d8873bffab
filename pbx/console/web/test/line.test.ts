import assert from 'node:assert/strict';
import test from 'node:test';
import { action, digit, type Action, type Phase, type Press } from '../src/logic/keys.ts';
import { own, whyDead, type Signs, type Why } from '../src/logic/own.ts';
import { causeOf, type Ending } from '../src/phone/causes.ts';
import type { Cause } from '../src/phone/types.ts';

const well: Signs = { mic: 'ok', line: 'up', server: 'up', seen: true, unseenFor: 0, ready: true, call: 'none' };

test('all well is on line, not ready is a pause', () => {
  assert.deepEqual(own(well), { kind: 'free' });
  assert.deepEqual(own({ ...well, ready: false }), { kind: 'pause' });
});

const deaths: [string, Partial<Signs>, Why][] = [
  ['no microphone', { mic: 'missing' }, 'mic_missing'],
  ['a forbidden microphone', { mic: 'blocked' }, 'mic_blocked'],
  ['a microphone that was pulled out', { mic: 'lost' }, 'mic_lost'],
  ['a microphone in other hands', { mic: 'failed' }, 'mic_failed'],
  ['a page over plain http', { mic: 'insecure' }, 'mic_insecure'],
  ['a server that does not answer', { server: 'down' }, 'server'],
  ['a lost WebSocket', { line: 'down' }, 'socket'],
  ['a wrong password', { line: 'refused' }, 'refused'],
  ['a registration that fails', { line: 'failed' }, 'register'],
  ['an exchange that does not see us', { seen: false, unseenFor: 9 }, 'unseen'],
  ['two troubles show the nearer one', { mic: 'missing', server: 'down' }, 'mic_missing'],
];
for (const [name, signs, why] of deaths) {
  test(`the line looks dead with ${name}`, () => assert.deepEqual(own({ ...well, ...signs }), { kind: 'dead', why }));
  test(`a talk goes on as busy with ${name}`, () => assert.deepEqual(own({ ...well, ...signs, call: 'busy' }), { kind: 'busy' }));
  test(`a pause does not hide ${name}`, () => assert.equal(own({ ...well, ...signs, ready: false }).kind, 'dead'));
}

test('the exchange gets a moment to see a new registration', () => {
  assert.equal(whyDead({ ...well, seen: false, unseenFor: 3 }), null);
});

test('a line on its way is neither alive nor dead', () => {
  assert.deepEqual(own({ ...well, line: 'registering' }), { kind: 'starting' });
  assert.deepEqual(own({ ...well, mic: 'asking', line: 'off' }), { kind: 'starting' });
});

const calm: Press = { key: ' ', repeat: false, modified: false, typing: false };
const presses: [string, Partial<Press>, Phase, Action][] = [
  ['Space answers', {}, 'ringing', 'answer'],
  ['Enter answers', { key: 'Enter' }, 'ringing', 'answer'],
  ['Esc rejects', { key: 'Escape' }, 'ringing', 'reject'],
  ['Space in mid-word is a space', { typing: true }, 'ringing', null],
  ['Esc in mid-word rejects nobody', { key: 'Escape', typing: true }, 'ringing', null],
  ['F2 answers even in mid-word', { key: 'F2', typing: true }, 'ringing', 'answer'],
  ['F4 rejects even in mid-word', { key: 'F4', typing: true }, 'ringing', 'reject'],
  ['a key held down since before the call does nothing', { repeat: true }, 'ringing', null],
  ['Ctrl+Enter saves and does not answer', { key: 'Enter', modified: true }, 'ringing', null],
  ['Alt+F4 is the window’s', { key: 'F4', modified: true }, 'talking', null],
  ['F4 hangs up', { key: 'F4', typing: true }, 'talking', 'hang_up'],
  ['Esc does not hang up a talk', { key: 'Escape' }, 'talking', null],
  ['Esc gives up a call of ours', { key: 'Escape' }, 'calling', 'hang_up'],
  ['F8 mutes', { key: 'F8' }, 'talking', 'mute'],
  ['F9 holds', { key: 'F9' }, 'talking', 'hold'],
  ['F9 holds nothing before the answer', { key: 'F9' }, 'calling', null],
  ['nothing rings, nothing happens', {}, 'none', null],
];
for (const [name, press, phase, want] of presses) test(name, () => assert.equal(action({ ...calm, ...press }, phase), want));

test('digits, star and hash are keypad keys, letters are not', () => {
  assert.deepEqual(['5', '*', '#', 'a', 'F5', ''].map(digit), ['5', '*', '#', '', '', '']);
});

const end: Ending = { code: 0, originator: 'remote', jssip: 'SIP Failure Code', reason: '' };
const endings: [string, Partial<Ending>, Cause][] = [
  ['their BYE', { jssip: 'Terminated' }, 'they_hung_up'],
  ['our BYE', { jssip: 'Terminated', originator: 'local' }, 'hung_up'],
  ['their CANCEL', { jssip: 'Canceled' }, 'cancelled'],
  ['a CANCEL because a colleague answered', { jssip: 'Canceled', reason: 'SIP;cause=200;text="Call completed elsewhere"' }, 'elsewhere'],
  ['our rejection', { jssip: 'Rejected', originator: 'local' }, 'declined'],
  ['403 from the exchange', { jssip: 'Rejected', code: 403 }, 'not_allowed'],
  ['486', { jssip: 'Busy', code: 486 }, 'busy'],
  ['404', { jssip: 'Not Found', code: 404 }, 'not_found'],
  ['480', { jssip: 'Unavailable', code: 480 }, 'unavailable'],
  ['408', { jssip: 'SIP Failure Code', code: 408 }, 'no_answer'],
  ['503', { code: 503 }, 'no_channel'],
  ['488', { jssip: 'Incompatible SDP', code: 488 }, 'media'],
  ['a lost socket', { jssip: 'Connection Error', originator: 'system' }, 'network'],
  ['lost media', { jssip: 'RTP Timeout', originator: 'system' }, 'media'],
  ['something new', { code: 599 }, 'failed'],
];
for (const [name, change, want] of endings) test(`the end of a call by ${name} is ${want}`, () => assert.equal(causeOf({ ...end, ...change }), want));
