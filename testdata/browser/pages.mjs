// pages.mjs [MICROPHONE.wav]: a headless Chromium full of pages. The file is what
// every microphone in it hears, over and over (48 kHz, 16 bit, mono); without it
// there is no microphone, as on a machine that has none.
//
// Each line of standard input is {"id", "page", "js"}: the body of an async
// function of Playwright's page and of until(js), which waits until that is true
// in the page. A page that is named for the first time is opened, with cookies of
// its own. Each line of standard output is
// {"id", "value"}, {"id", "error"}, or {"page", "wrong"} when a page complains
// by itself. It ends with its input. A page with "beside" in its first line has
// the cookies of that page. tap(page) keeps what passes between a page and the
// network from then on, tapped(page) is all of that.
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { tap, tapped } from './tap.mjs';

const [microphone] = process.argv.slice(2);
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const options = {
  executablePath: process.env.CHROMIUM ?? names.map((name) => `/usr/bin/${name}`).find(existsSync),
  args: [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--ignore-certificate-errors',
    '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection',
    ...(microphone ? [
      '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${microphone}`,
    ] : []),
  ],
};
const browser = await launched(3);
const patience = 60_000; // ms
const pollMs = 50;
const say = (line) => console.log(JSON.stringify(line));
const pages = new Map();

// A Chromium now and then dies while it starts. That says nothing about the pages.
async function launched(tries) {
  for (;;) {
    try {
      return await chromium.launch(options);
    } catch (error) {
      console.error(error.message);
      if (--tries === 0) throw error;
    }
  }
}

async function newContext() {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, locale: 'ru-RU' });
  context.setDefaultTimeout(patience);
  await context.addInitScript({ path: new URL('listen.js', import.meta.url).pathname });
  return context;
}

async function open(name, beside) {
  const context = beside ? (await pages.get(beside)).context() : await newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => say({ page: name, wrong: error.stack ?? error.message }));
  page.on('console', (message) => { if (message.type() === 'error') say({ page: name, wrong: message.text() }); });
  return page;
}

// Playwright's own waiting evaluates strings, which the pages' policy forbids.
async function until(page, js) {
  for (const end = Date.now() + patience; !await page.evaluate(js); await setTimeout(pollMs)) {
    if (Date.now() > end) throw new Error(`not within ${patience / 1000} s`);
  }
}

const Body = (async () => {}).constructor;
async function obey({ id, page: name, beside, js }) {
  try {
    if (!pages.has(name)) pages.set(name, open(name, beside));
    const page = await pages.get(name);
    const value = await new Body('page', 'until', 'tap', 'tapped', js)(page, (condition) => until(page, condition), tap, tapped);
    say({ id, value: value ?? null });
  } catch (error) {
    say({ id, error: error.message });
  }
}

for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line));
await browser.close();
