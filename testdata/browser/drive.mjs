// drive.mjs PAGE MICROPHONE.wav: opens a page in headless Chromium whose
// microphone hears the file, over and over (48 kHz, 16 bit, mono), and then does
// as it is told: each line of standard input is JavaScript for the page, each
// line of standard output its value as JSON, or {"error": …}. It ends with its
// input.
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [url, microphone] = process.argv.slice(2);
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? names.map((name) => `/usr/bin/${name}`).find(existsSync),
  args: [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${microphone}`,
    '--autoplay-policy=no-user-gesture-required',
    '--ignore-certificate-errors',
  ],
});
const page = await browser.newPage();
page.on('pageerror', (e) => console.error('page:', e.message));
await page.goto(url);
for await (const line of createInterface({ input: process.stdin })) {
  const value = await page.evaluate(line).catch((e) => ({ error: e.message }));
  console.log(JSON.stringify(value ?? null));
}
await browser.close();
