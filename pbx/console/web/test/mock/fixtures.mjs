// What the mock exchange knows: a small firm in the middle of a night.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const order = (id, status, phone, more = {}) => ({
  id, status, phone, client_name: '', line: '+74950000000', branch: 'Центр', tariff: 'Стандарт', pickup: '', dropoff: '',
  comment: '', eta_minutes: null, car: { color: '', mark: '', model: '', plate: '' }, price: null, driver_phone: '',
  created: ago(900), updated: ago(300), ...more,
});
const solaris = { color: 'Белый', mark: 'Hyundai', model: 'Solaris', plate: 'М 123 ММ 55' };
const leg = (party, number, more = {}) => ({
  id: `${party}-1@cabline`, party, number, operator: '', trunk: number ? 'carrier' : '', started: ago(640), answered: ago(630), ended: ago(560),
  cause: 'completed', code: 200, audio: { received: 3490, sent: 3502, lost: 2, dropped: 0, jitter_ms: 1.7 }, ...more,
});
const call = (id, more) => ({
  id, kind: 'inbound', line: '+74950000000', from: '+79161234567', to: '', order_id: '', branch: 'Центр', started: ago(700),
  answered: ago(699), ended: ago(560), waited_seconds: 0, talked_seconds: 0, state: 'ended', result: 'completed', steps: [], legs: [], ...more,
});
const steps = (...list) => list.map(([seconds, what]) => ({ at: ago(seconds), what }));

export const password = 'secret';
export const me = {
  login: 'anna', name: 'Анна', language: 'ru', branches: ['Центр'], firm: 'Такси Ромашка', listen: false,
  sip: { uri: 'sip:anna@cabline', realm: 'cabline', ha1: 'd41d8cd98f00b204e9800998ecf8427e', ws: '/ws' },
};

export const floor = () => ({
  calls: 3,
  operators: [
    { login: 'anna', name: 'Анна', branches: ['Центр'], online: true, ready: true, state: 'free', call_id: '' },
    { login: 'boris', name: 'Борис', branches: ['Центр'], online: true, ready: true, state: 'talking', call_id: 'c9' },
    { login: 'vera', name: 'Вера Константиновна', branches: ['Север'], online: true, ready: false, state: 'free', call_id: '' },
    { login: 'gleb', name: 'Глеб', branches: ['Центр'], online: false, ready: true, state: 'free', call_id: '' },
  ],
  waiting: [
    { call_id: 'c7', phone: '+79139998877', line: '+74950000000', branch: 'Центр', since: ago(48) },
    { call_id: 'c8', phone: '', line: '+74950000000', branch: 'Север', since: ago(6) },
  ],
  answers: [],
});

export const answers = () => [
  { order_id: '47', phone: '+79231112233', answer: 'cancel', at: ago(40) },
  { order_id: '45', phone: '+79139998877', answer: 'five_minutes', at: ago(150) },
  { order_id: '44', phone: '+79045556677', answer: 'coming_out', at: ago(400) },
  { order_id: '41', phone: '+79045550000', answer: 'keep_looking', at: ago(560) },
];

const notice = (id, state, phone, more = {}) => ({
  id, order_id: String(id - 60), status: 'arrived', version: 2, phone, line: '+74950000000', source: 'order book', at: ago((110 - id) * 300), state, due: null, why: '',
  tries: 1, call_id: 'n1', answer: '', machine: false, ended: ['waiting', 'dialling', 'speaking'].includes(state) ? null : ago(60), ...more,
});
export const notices = () => [
  notice(109, 'waiting', '+79231112233', { status: 'no_driver', tries: 1, due: ago(-50), why: 'busy; again in 1m0s' }),
  notice(108, 'dialling', '+79161234567', { status: 'accepted', why: 'call 1' }),
  notice(107, 'speaking', '+79139998877', { why: 'the client is told' }),
  notice(106, 'delivered', '+79045556677', { answer: 'coming_out' }),
  notice(105, 'delivered', '+79045556678', { machine: true, tries: 2 }),
  notice(104, 'busy', '+79231112200', { tries: 3, why: 'busy' }),
  notice(103, 'dropped', '+79231112201', { status: 'in_progress', tries: 0, why: 'no calls about this status' }),
  notice(102, 'superseded', '+79231112202', { status: 'late', tries: 0, why: 'by arrived' }),
  notice(101, 'delivered', '+79231112203', { status: 'no_driver', answer: 'cancel' }),
];
export const journals = {
  104: [['waiting', 'to be told'], ['dialling', 'call 1'], ['waiting', 'busy; again in 1m0s'], ['dialling', 'call 2'], ['waiting', 'no answer; again in 3m0s'], ['dialling', 'call 3'], ['busy', 'busy']],
  103: [['dropped', 'no calls about this status']],
};
export const optOuts = () => [{ phone: '+79231110000', since: ago(90_000), note: 'попросил 14 ноября' }];

export const orders = () => [
  order('47', 'new', '+79231112233', { pickup: 'Ленина 12, подъезд 3', dropoff: 'Аэропорт, терминал А', tariff: 'Комфорт', created: ago(120) }),
  order('46', 'accepted', '+79161234567', { client_name: 'Ольга', pickup: 'Мира 5', dropoff: 'Вокзал', car: solaris, eta_minutes: 7, price: 350, driver_phone: '+79035550001' }),
  order('45', 'arrived', '+79139998877', { pickup: 'пр. Маркса 71, ТЦ «Фестиваль», главный вход', dropoff: '10 лет Октября 182', car: { color: 'Серый', mark: 'Kia', model: 'Rio', plate: 'А 001 АА 55' }, price: 420, driver_phone: '+79035550002' }),
  order('44', 'late', '+79045556677', { pickup: 'Лукашевича 14', car: { color: 'Чёрный', mark: 'Skoda', model: 'Octavia', plate: 'К 777 КК 55' }, eta_minutes: 12, price: 280, driver_phone: '+79035550003' }),
  order('43', 'completed', '+79161234567', { client_name: 'Ольга', pickup: 'Вокзал', dropoff: 'Мира 5', car: solaris, price: 340, driver_phone: '+79035550001', created: ago(90_000) }),
];

export const cdrs = () => [
  call('k5', {
    order_id: '46', to: '+79035550001', talked_seconds: 70, steps: steps([700, 'look up order'], [699, 'order 46'], [699, 'menu: accepted'], [645, 'chose driver'],
      [640, 'dial driver'], [630, 'driver answered'], [630, 'talk to driver'], [560, 'ended: completed']),
    legs: [leg('client', '+79161234567', { started: ago(700), answered: ago(699) }), leg('driver', '+79035550001')],
  }),
  call('k4', {
    from: '+79139998877', started: ago(1500), ended: ago(1440), waited_seconds: 55, result: 'hung up',
    steps: steps([1500, 'look up order'], [1499, 'no order'], [1495, 'wait for operator'], [1494, 'ring operator anna'], [1474, 'operator anna: no answer'], [1440, 'ended: hung up']),
    legs: [leg('client', '+79139998877', { cause: 'hung up' }), leg('operator', '', { operator: 'anna', answered: null, cause: 'no answer', code: 487, audio: { received: 0, sent: 0, lost: 0, dropped: 0, jitter_ms: 0 } })],
  }),
  call('k3', { kind: 'outgoing', from: '', to: '+79161234567', started: ago(4000), ended: ago(3980), result: 'busy', steps: steps([4000, 'operator anna dials'], [3999, 'dial target'], [3980, 'target: busy'], [3980, 'ended: busy']), legs: [leg('operator', '', { operator: 'anna' })] }),
  call('k2', { from: '+79231112233', started: ago(9000), ended: ago(8800), waited_seconds: 4, talked_seconds: 180, legs: [leg('client', '+79231112233'), leg('operator', '', { operator: 'boris' })] }),
  call('k1', { kind: 'connect', to: '+79035550002', started: ago(100_000), ended: ago(99_900), talked_seconds: 42, legs: [] }),
];

export const live = () => [call('k9', { from: '+79045556677', started: ago(20), ended: null, state: 'in_menu', result: '', answered: ago(19), steps: steps([20, 'look up order'], [19, 'order 44'], [19, 'menu: late']) })];

export const demo = {
  line: '+74950000000', firm: 'Такси Ромашка',
  client: { number: '+79161234567', uri: 'sip:client@carrier', login: 'client', password: 'x', ws: '/demo/ws' },
  driver: { number: '+79035550001', uri: 'sip:driver@carrier', login: 'driver', password: 'x', ws: '/demo/ws' },
  operator: { login: 'anna', password }, token: 'demo-token',
};
