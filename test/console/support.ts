import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import type { ConsoleConfig } from '../../console/config.ts';
import { type Console, startConsole } from '../../console/server.ts';

/** A console on its own port, closed after the test file. */
export async function openConsole(
  databaseUrl: string,
  config: Partial<ConsoleConfig> = {},
): Promise<Console> {
  const console = await startConsole({
    databaseUrl,
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    ...config,
  });
  after(() => console.close());
  return console;
}

/** The HTML of a page. */
export async function getPage(console: Console, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(console.url + path, { headers, redirect: 'manual' });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** As assert.match, which would print the whole page on a failure. */
export function shows(html: string, pattern: RegExp): void {
  const words = html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  assert.ok(pattern.test(html), `expected ${pattern} in a page that says:\n${words.slice(0, 1500)}`);
}

/** Sends a form of the console as a browser would: with the token of its pages, and from its own origin. */
export async function sendForm(
  console: Console,
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
) {
  const response = await fetch(console.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: console.url, ...headers },
    body: new URLSearchParams({ token: fields.token ?? (await formToken(console)), ...fields }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Presses an action's button, and also the button of the page that asks first. Returns the page that it leads to. */
export async function act(
  console: Console,
  action: string,
  name: string,
  key?: string,
  token?: string,
): Promise<string> {
  const back = `/connector?${new URLSearchParams({ name })}`;
  const fields = { action, name, back, ...(key && { key }), ...(token && { token }) };
  const press = async (more: Record<string, string> = {}) =>
    (await sendForm(console, '/act', { ...fields, ...more })).headers.get('location')!;
  const to = await press();
  return (await getPage(console, to.startsWith('/confirm') ? await press({ confirmed: 'yes' }) : to)).text;
}

async function formToken(console: Console): Promise<string> {
  return formTokenIn((await getPage(console, '/setup')).text);
}

/** The secret that the forms of a page have. */
export function formTokenIn(html: string): string {
  return /name="token" value="([^"]+)"/.exec(html)![1]!;
}

/** Signs in as a browser would. The cookie is undefined if the token was refused. */
export async function signIn(
  console: Console,
  token: string,
): Promise<{ status: number; cookie: string | undefined; text: string }> {
  const response = await fetch(`${console.url}/login`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: console.url },
    body: new URLSearchParams({
      token: formTokenIn((await getPage(console, '/')).text),
      secret: token,
      back: '/',
    }),
  });
  const cookie = response.headers.get('set-cookie')?.split(';')[0];
  return { status: response.status, cookie, text: await response.text() };
}

/** An installed Chromium or Chrome, or CHROMIUM_PATH; undefined if none is found. */
export function findChromium(): string | undefined {
  if (process.env.CHROMIUM_PATH) return process.env.CHROMIUM_PATH;
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const directories = (process.env.PATH ?? '').split(delimiter);
  return directories.flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync);
}

/** A headless browser, closed after the test file. */
export async function openBrowser(executablePath: string): Promise<Browser> {
  // Chromium's sandbox does not run as root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args });
  after(() => browser.close());
  return browser;
}
