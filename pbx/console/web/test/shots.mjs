// Pictures of every page and state, to be looked at by a person: node test/shots.mjs FOLDER [name…]
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { answers } from './mock/fixtures.mjs';
import { startMock } from './mock/server.mjs';

const [folder = 'build/shots', ...only] = process.argv.slice(2);
const flags = ['--headless=new', '--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run', '--disable-gpu',
  '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection'];
const fake = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
const sizes = [[1366, 768], [1920, 1080]];
const line = '+74950000000';

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...flags, ...fake] });
const bare = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags });

async function scene(name, script, { from = browser, path = '/', login = true, settings = {}, quiet = false } = {}) {
  if (only.length && !only.some((each) => name.startsWith(each))) return;
  for (const [width, height] of sizes) {
    const mock = await startMock();
    const context = await from.newContext({ viewport: { width, height }, locale: 'ru' });
    if (from === browser) await context.grantPermissions(['microphone']);
    await context.addInitScript((s) => { for (const [k, v] of Object.entries(s)) localStorage.setItem(k, v); }, settings);
    const page = await context.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => { if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text()); });
    const tools = { mock, context, page, id: (testid) => page.getByTestId(testid), caller: () => caller(context, mock) };
    try {
      await page.goto(mock.url + path);
      if (login) await enter(tools);
      await script(tools);
      await page.waitForTimeout(350);
      await page.screenshot({ path: `${folder}/${name}-${width}.png` });
    } catch (error) {
      console.log('FAULT', name, width, error.message.split('\n')[0]);
      await page.screenshot({ path: `${folder}/${name}-${width}-fault.png` });
    }
    if (!quiet && faults.length) console.log(name, width, [...new Set(faults)].slice(0, 4));
    await context.close();
    mock.close();
  }
}

async function enter({ page, id }) {
  await id('login-login').fill('anna');
  await id('login-password').fill('secret');
  await id('login-submit').click();
  await page.waitForSelector('header.top');
}

/** A second page whose client's phone calls the firm. */
async function caller(context, mock) {
  const page = await context.newPage();
  await page.route('**/?demo=1*', (route) => route.abort()); // its operator would answer in our place
  await page.goto(`${mock.url}/demo?mic=tone`);
  await page.waitForFunction(() => window.cabline?.client?.phone?.line === 'up');
  return page;
}

const state = (page, want) => page.waitForSelector(`[data-testid=own-state][data-state=${want}]`, { timeout: 8000 });
async function ring(tools, card, shows = '+79161234567') {
  const { mock, page } = tools;
  await state(page, 'free');
  Object.assign(mock.sip.route, { to: 'anna', shows, callId: 'c1' });
  mock.card = { phone: shows, line, branch: 'Центр', tariff: 'Стандарт', order: card };
  const other = await tools.caller();
  await page.bringToFront();
  await other.evaluate(() => document.querySelector('[data-testid=client-call]').click());
  await state(page, 'ringing');
  return other;
}

await scene('01-login', async () => {}, { login: false });
await scene('02-login-wrong', async ({ id }) => {
  await id('login-login').fill('anna'); await id('login-password').fill('нет'); await id('login-submit').click();
  await id('login-error').filter({ hasText: 'Неверный' }).waitFor();
}, { login: false, quiet: true });
await scene('03-free', async ({ page }) => { await state(page, 'free'); });
await scene('04-free-light', async ({ page }) => { await state(page, 'free'); }, { settings: { 'cabline.theme': 'light' } });
await scene('05-pause', async ({ page, id }) => { await state(page, 'free'); await id('pause').click(); await state(page, 'pause'); });
await scene('06-no-mic', async ({ page }) => { await state(page, 'dead'); }, { from: bare });
await scene('07-server-down', async ({ page, mock }) => {
  await state(page, 'free'); mock.broken = true; for (const s of mock.streams) s.destroy(); mock.sip.drop(); await state(page, 'dead');
}, { quiet: true });
await scene('08-socket-down', async ({ page, mock }) => { await state(page, 'free'); mock.sip.sockets.handleUpgrade = (q, socket) => socket.destroy(); mock.sip.drop(); await state(page, 'dead'); }, { quiet: true });
await scene('10-ringing-order', async (tools) => { await ring(tools, tools.mock.orders[1]); });
await scene('11-ringing-new', async (tools) => { await ring(tools, null, '+79231112233'); });
await scene('12-ringing-light', async (tools) => { await ring(tools, tools.mock.orders[1]); }, { settings: { 'cabline.theme': 'light' } });
await scene('13-talking-order', async (tools) => {
  await ring(tools, tools.mock.orders[1]); await tools.page.keyboard.press('Space');
  await tools.page.waitForSelector('[data-testid=phone][data-phase=talking]'); await tools.page.waitForTimeout(1500);
});
await scene('14-talking-new', async (tools) => {
  await ring(tools, null, '+79231112233'); await tools.page.keyboard.press('Enter');
  await tools.page.waitForSelector('[data-testid=phone][data-phase=talking]'); await tools.id('order-pickup').pressSequentially('Ленина 12');
  await tools.id('order-eta_minutes').fill('скоро'); await tools.id('order-driver_phone').fill('12'); await tools.id('card-save').click();
});
await scene('15-keypad-hold', async (tools) => {
  await ring(tools, tools.mock.orders[1]); await tools.id('answer').click();
  await tools.page.waitForSelector('[data-testid=phone][data-phase=talking]'); await tools.id('keypad').click(); await tools.id('key-5').click();
  await tools.id('hold').click(); await tools.page.waitForSelector('[data-held=true]');
});
await scene('16-lost-item', async (tools) => {
  await ring(tools, tools.mock.orders[1]); await tools.id('answer').click(); await tools.id('lost-item').click(); await tools.id('lost-until').waitFor();
});
await scene('16-server-error-field', async (tools) => {
  await ring(tools, tools.mock.orders[1]); await tools.id('answer').click();
  await tools.id('order-comment').fill('сломай'); await tools.id('card-save').click();
  await tools.page.waitForSelector('[data-testid=order-car-plate-error]');
});
await scene('17-outgoing-refused', async ({ page, id }) => {
  await state(page, 'free'); await id('dial').fill('+79990000403'); await id('dial-call').click();
  await page.waitForSelector('[data-testid=last-call]');
});
await scene('18-calling', async (tools) => {
  await state(tools.page, 'free'); await tools.caller(); await tools.page.bringToFront();
  await tools.id('dial').fill('+74950000000'); Object.assign(tools.mock.sip.route, { to: 'client' });
  await tools.id('dial-call').click(); await tools.page.waitForSelector('[data-testid=phone][data-phase=calling]'); await tools.page.waitForTimeout(400);
});
await scene('19-ended', async (tools) => {
  const other = await ring(tools, tools.mock.orders[1]); await tools.id('answer').click();
  await tools.page.waitForSelector('[data-testid=phone][data-phase=talking]'); await tools.page.waitForTimeout(1200);
  await other.evaluate(() => document.querySelector('[data-testid=client-hangup]').click());
  await tools.page.waitForSelector('[data-testid=last-call]');
});
await scene('20-english', async (tools) => { await ring(tools, null, '+79231112233'); }, { settings: { 'cabline.language': 'en' } });
await scene('21-orders', async ({ page }) => { await page.waitForSelector('[data-testid=order-row-47]'); }, { path: '/orders' });
await scene('22-orders-edit', async ({ id }) => { await id('edit-46').click(); await id('order-price').fill('дорого'); await id('save').click(); }, { path: '/orders' });
await scene('23-orders-new-light', async ({ id }) => { await id('new-order').click(); await id('save').click(); }, { path: '/orders', settings: { 'cabline.theme': 'light' } });
await scene('24-calls', async ({ page }) => { await page.waitForSelector('[data-testid=call-k5]'); }, { path: '/calls' });
await scene('25-calls-open', async ({ id }) => { await id('call-k5').click(); }, { path: '/calls' });
await scene('26-calls-en-light', async ({ id }) => { await id('call-k4').click(); }, { path: '/calls', settings: { 'cabline.theme': 'light', 'cabline.language': 'en' } });
await scene('27-notices', async ({ page }) => { await page.waitForSelector('[data-testid=notice-109]'); }, { path: '/notices' });
await scene('28-notices-open', async ({ page, id }) => { await id('notice-104').getByText('занято').click(); await page.waitForSelector('[data-testid=journal-104] li'); }, { path: '/notices' });
await scene('29-answers', async ({ page, mock }) => { await state(page, 'free'); mock.floor.answers = answers(); mock.tell(); await page.waitForSelector('[data-testid=answers]'); });

const demoUp = (page) => page.waitForFunction(() => window.cabline?.client?.phone?.line === 'up' && window.cabline?.driver?.phone?.line === 'up' && window.cabline?.operator?.phone?.line === 'up', null, { timeout: 10000 });
await scene('30-demo', async ({ page, mock }) => { mock.live = []; await demoUp(page); }, { path: '/demo', login: false, quiet: true });
await scene('31-demo-operator-rings', async ({ page, mock, id }) => {
  mock.live = [{ ...mock.live[0], from: '+79161234567', state: 'waiting' }]; await demoUp(page);
  Object.assign(mock.sip.route, { to: 'anna', shows: '+79161234567', callId: 'c1' });
  mock.card = { phone: '+79161234567', line, branch: 'Центр', tariff: 'Стандарт', order: mock.orders[1] };
  await id('client-call').click(); await page.waitForFunction(() => window.cabline.operator.phone.call);
}, { path: '/demo', login: false, quiet: true });
await scene('32-demo-driver-rings', async ({ page, mock, id }) => {
  mock.live = [{ ...mock.live[0], from: '+79161234567', state: 'calling_driver' }]; await demoUp(page);
  Object.assign(mock.sip.route, { to: 'driver', shows: line, callId: '' });
  await id('client-call').click(); await page.waitForSelector('[data-testid=driver-accept]');
}, { path: '/demo?mic=tone', login: false, quiet: true });
await scene('33-demo-talk-light', async ({ page, mock, id }) => {
  mock.live = [{ ...mock.live[0], from: '+79161234567', state: 'talking' }]; await demoUp(page);
  Object.assign(mock.sip.route, { to: 'driver', shows: line, callId: '' });
  await id('client-call').click(); await id('driver-accept').click(); await page.waitForSelector('[data-testid=client][data-phase=talking]'); await page.waitForTimeout(1500);
  console.log('client hears', await page.evaluate(() => window.cabline.client.measure()), 'driver hears', await page.evaluate(() => window.cabline.driver.measure()));
}, { path: '/demo?mic=tone', login: false, quiet: true, settings: { 'cabline.theme': 'light' } });

await browser.close();
await bare.close();
