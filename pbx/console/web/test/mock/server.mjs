// An exchange to look at the pages with: the HTTP contract over fixtures, and
// SIP that connects browsers with each other. node test/mock/server.mjs [port]
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import * as fixtures from './fixtures.mjs';
import { SipRelay } from './sip.mjs';

const policy = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; media-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', txt: 'text/plain' };
const pages = { '/': 'index.html', '/orders': 'orders.html', '/calls': 'calls.html', '/notices': 'notices.html', '/demo': 'demo.html' };

export async function startMock(port = 0) {
  const sip = new SipRelay();
  const mock = {
    sip, floor: fixtures.floor(), orders: fixtures.orders(), live: fixtures.live(), cdrs: fixtures.cdrs(), card: null,
    loggedIn: false, broken: false, patches: [], streams: new Set(), nextId: 48,
    tell() { for (const stream of mock.streams) stream.write(`event: state\ndata: ${JSON.stringify(mock.floor)}\n\n`); },
  };
  sip.route.line = fixtures.demo.line;
  const server = createServer((request, response) => {
    answer(mock, request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
  });
  sip.attach(server, ['/ws', '/demo/ws']);
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  mock.url = `http://127.0.0.1:${server.address().port}`;
  mock.close = () => { for (const stream of mock.streams) stream.end(); sip.drop(); server.closeAllConnections(); server.close(); };
  return mock;
}

async function answer(mock, request, response) {
  const url = new URL(request.url, 'http://x');
  const json = (status, body) => {
    response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
    response.end(JSON.stringify(body));
  };
  if (mock.broken && /^\/(api|console|healthz|demo\/api)/.test(url.pathname)) return response.destroy();
  let text = '';
  for await (const part of request) text += part;
  const body = text ? JSON.parse(text) : {};
  const token = request.headers.authorization === `Bearer ${fixtures.demo.token}`;
  const known = token || (mock.loggedIn && /cabline_session=1/.test(request.headers.cookie ?? ''));
  const route = `${request.method} ${url.pathname}`;
  if (route === 'POST /console/api/login') {
    if (body.password !== fixtures.password) return json(401, { title: 'Unauthorized', detail: 'wrong login or password' });
    mock.loggedIn = true;
    response.setHeader('Set-Cookie', 'cabline_session=1; HttpOnly; SameSite=Strict; Path=/');
    return json(200, fixtures.me);
  }
  if (route === 'GET /healthz') return json(200, { status: 'ok' });
  if (route === 'GET /demo/api/info') return json(200, fixtures.demo);
  if (/^\/(api|console)\//.test(url.pathname)) return known ? api(mock, route, url, body, json, response) : json(401, { title: 'Unauthorized' });
  const file = pages[url.pathname] ?? url.pathname.slice(1);
  try {
    const content = await readFile(new URL(`../../dist/${file}`, import.meta.url));
    response.writeHead(200, { 'Content-Type': types[file.split('.').pop()] ?? 'application/octet-stream', 'Content-Security-Policy': policy });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

function api(mock, route, url, body, json, response) {
  const mine = mock.floor.operators[0];
  const [, id] = /\/(?:orders|calls|notices)\/([^/]+)/.exec(url.pathname) ?? [];
  switch (route.replace(id ?? '\0', ':id')) {
    case 'GET /console/api/me': return json(200, fixtures.me);
    case 'POST /console/api/logout': mock.loggedIn = false; return json(204);
    case 'POST /console/api/me/ready': mine.ready = body.ready; mock.tell(); return json(200, {});
    case 'GET /console/api/events':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      mock.streams.add(response);
      response.on('close', () => mock.streams.delete(response));
      return mock.tell();
    case 'GET /console/api/calls/:id/card': return mock.card ? json(200, { call_id: id, ...mock.card }) : json(404, { title: 'Not Found', detail: 'no such call' });
    case 'GET /api/v1/orders': {
      const phone = url.searchParams.get('phone');
      const only = url.searchParams.get('active') === 'true';
      const found = mock.orders.filter((each) => (!phone || each.phone === phone) && (!only || !['completed', 'refused'].includes(each.status)));
      return json(200, { orders: found });
    }
    case 'GET /api/v1/orders/:id': return json(200, mock.orders.find((each) => each.id === id));
    case 'POST /api/v1/orders': return save(mock, blankOrder(mock), body, json, 201);
    case 'PATCH /api/v1/orders/:id': return save(mock, mock.orders.find((each) => each.id === id), body, json, 200);
    case 'GET /api/v1/calls': return json(200, { calls: mock.live });
    case 'GET /api/v1/cdrs': return json(200, { cdrs: mock.cdrs, next: '' });
    case 'PUT /api/v1/orders/:id/lost-item': return json(200, { order_id: id, until: body.open ? new Date(Date.now() + 86_400_000).toISOString() : null });
    case 'GET /api/v1/notices': return json(200, { notices: fixtures.notices() });
    case 'GET /api/v1/notices/:id': return json(200, {
      notice: fixtures.notices().find((each) => String(each.id) === id),
      journal: (fixtures.journals[id] ?? []).map(([state, what]) => ({ at: new Date().toISOString(), state, what })),
    });
    case 'GET /api/v1/opt-outs': return json(200, { opt_outs: fixtures.optOuts() });
    case 'POST /api/v1/connect': return json(202, { id: 'x1', state: 'calling_client' });
    default: return json(404, { title: 'Not Found', detail: `no such path: ${url.pathname}` });
  }
}

function blankOrder(mock) {
  const order = { ...fixtures.orders()[0], id: String(mock.nextId++), created: new Date().toISOString(), pickup: '', dropoff: '', client_name: '', comment: '' };
  mock.orders.unshift(order);
  return order;
}

function save(mock, order, body, json, status) {
  mock.patches.push(body);
  if (body.comment === 'сломай') {
    return json(422, { title: 'Unprocessable Entity', status: 422, detail: 'validation failed', errors: [{ location: 'body.car.plate', message: 'такого госномера не бывает' }] });
  }
  const { car, ...rest } = body;
  for (const [key, value] of Object.entries(rest)) order[key] = value ?? (key === 'eta_minutes' || key === 'price' ? null : '');
  for (const [key, value] of Object.entries(car ?? {})) order.car = { ...order.car, [key]: value ?? '' };
  order.updated = new Date().toISOString();
  return json(status, order);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const mock = await startMock(Number(process.argv[2] ?? 8080));
  console.log(`${mock.url}  (login anna, password ${fixtures.password})`);
}
