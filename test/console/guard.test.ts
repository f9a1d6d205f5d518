import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { ownAddress } from '../../console/address.ts';
import { assetAddress } from '../../console/assets.ts';
import { readConsoleConfig } from '../../console/config.ts';
import { makeGuard } from '../../console/guard.ts';
import { testDatabase } from '../support/database.ts';
import { formTokenIn, getPage, openConsole, sendForm } from './support.ts';

const TOKEN = 'correct horse battery staple';
const db = await testDatabase();
const open = await openConsole(db.url);
const locked = await openConsole(db.url, { token: TOKEN });

/** fetch sets Host itself. */
function getAs(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

test('the console answers only to host names of this machine, against DNS rebinding', async () => {
  const port = new URL(open.url).port;
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    assert.equal(await getAs(open.url, host), 200, host);
  }
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example']) {
    assert.equal(await getAs(open.url, host), 421, host);
  }
});

test('every answer forbids inline scripts, frames and other origins', async () => {
  for (const path of ['/', '/no-such-page', assetAddress('console.css')]) {
    const { headers, text } = await getPage(open, path);
    assert.match(
      headers.get('content-security-policy')!,
      /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/,
    );
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('access-control-allow-origin'), null);
    assert.doesNotMatch(text, /<script>| on[a-z]+="| style="/, path);
  }
});

test('a form is accepted only with its token and from its own origin', async () => {
  const fields = { action: 'pause', name: 'x' };
  assert.equal((await sendForm(open, '/act', fields)).status, 303);
  assert.equal((await sendForm(open, '/act', { ...fields, token: 'guessed' })).status, 403);
  for (const origin of ['https://evil.example', 'null', `${open.url}0`]) {
    assert.equal((await sendForm(open, '/act', fields, { origin })).status, 403, origin);
  }
  for (const site of ['cross-site', 'same-site', 'none']) {
    assert.equal((await sendForm(open, '/act', fields, { 'sec-fetch-site': site })).status, 403, site);
  }
  const { status } = await getPage(open, '/act?action=pause&name=x');
  assert.equal(status, 404, 'nothing is done by a link');
});

test('an action redirects only within the console, with any target in the form', async () => {
  for (const back of [
    '//evil.example/',
    '//evil.example//x',
    'https://evil.example/',
    '/\\evil.example',
    '/..//evil.example',
    'javascript:alert(1)',
    '',
  ]) {
    assert.equal(ownAddress(back), '/');
    const { headers } = await sendForm(open, '/act', { action: 'pause', name: 'x', back });
    assert.match(headers.get('location')!, /^\/\?outcome=/, back);
  }
});

test('with an access token set, nothing is shown or run without it', async () => {
  for (const path of ['/', '/connector?name=x', '/events']) {
    const { status, text } = await getPage(locked, path);
    assert.equal(status, 401);
    assert.doesNotMatch(text, /role <code>/);
  }
  const { text } = await getPage(locked, '/connector?name=x');
  const token = /name="token" value="([^"]+)"/.exec(text)![1]!;
  assert.match(text, /name="back" value="\/connector\?name=x"/);
  const post = (path: string, fields: Record<string, string>) =>
    fetch(locked.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: locked.url },
      body: new URLSearchParams({ token, ...fields }),
    });
  assert.equal((await post('/act', { action: 'pause', name: 'x' })).status, 401);

  const refused = await post('/login', { secret: `${TOKEN}r`, back: '/' });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('set-cookie'), null);

  const taken = await post('/login', { secret: TOKEN, back: '/workers' });
  assert.equal(taken.headers.get('location'), '/workers');
  const cookie = taken.headers.get('set-cookie')!;
  assert.match(cookie, /; HttpOnly; SameSite=Strict$/);
  assert.doesNotMatch(cookie, new RegExp(TOKEN));
  const pair = cookie.split(';')[0]!;
  assert.equal((await getPage(locked, '/workers', { cookie: pair })).status, 200);

  const [name, value] = pair.split('=') as [string, string];
  for (const forged of [value.slice(0, -1), `${value}A`, value.toLowerCase(), '9999999999.', '']) {
    assert.equal((await getPage(locked, '/', { cookie: `${name}=${forged}` })).status, 401, forged);
  }
});

test('a cookie is valid for twelve hours', async (context) => {
  const guard = await makeGuard(TOKEN);
  const empty = { headers: {}, socket: {} } as IncomingMessage;
  const signedIn = await guard.signIn(TOKEN, empty);
  assert.ok(typeof signedIn === 'object');
  const cookie = signedIn.cookie.split(';')[0];
  const request = { headers: { cookie } } as IncomingMessage;
  const hours = (count: number) => Date.now() + count * 3600_000;
  assert.equal(guard.isSignedIn(request), true);
  context.mock.timers.enable({ apis: ['Date'], now: hours(11.9) });
  assert.equal(guard.isSignedIn(request), true);
  context.mock.timers.setTime(hours(0.2));
  assert.equal(guard.isSignedIn(request), false);
});

test('an address that other machines can reach requires a token', () => {
  const env = { DATABASE_URL: 'postgres://db' };
  assert.equal(readConsoleConfig(env).host, '127.0.0.1');
  assert.equal(
    readConsoleConfig({ ...env, CONSOLE_DATABASE_URL: 'postgres://as_reader' }).databaseUrl,
    'postgres://as_reader',
  );
  for (const host of ['0.0.0.0', '::', '10.0.0.5', 'console.example', '127.evil.example']) {
    assert.throws(() => readConsoleConfig({ ...env, CONSOLE_HOST: host }), {
      code: 'bad_setting',
      message: /CONSOLE_TOKEN/,
    });
    assert.equal(readConsoleConfig({ ...env, CONSOLE_HOST: host, CONSOLE_TOKEN: TOKEN }).host, host);
  }
  assert.throws(() => readConsoleConfig({ ...env, CONSOLE_TOKEN: 'short' }), { code: 'bad_setting' });
  assert.throws(() => readConsoleConfig({ ...env, CONSOLE_PORT: '99999' }), { code: 'bad_setting' });
});

test('an asset is compressed, and browsers keep it until it changes', async () => {
  const address = assetAddress('console.css');
  const { headers, text } = await getPage(open, address, { 'accept-encoding': 'gzip, br' });
  assert.equal(headers.get('content-encoding'), 'br');
  assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
  const again = await getPage(open, address, { 'if-none-match': headers.get('etag')! });
  assert.deepEqual([again.status, again.text], [304, '']);
  for (const [accepted, encoding] of [
    ['gzip', 'gzip'],
    ['br;q=0, gzip;q=0.5', 'gzip'],
    ['identity', null],
  ] as const) {
    const other = await getPage(open, address, { 'accept-encoding': accepted });
    assert.equal(other.headers.get('content-encoding'), encoding, accepted);
    assert.equal(other.text, text);
  }
  // A page that was opened before an update asks for an earlier version.
  const earlier = await getPage(open, '/assets/earlier/console.css');
  assert.deepEqual([earlier.text, earlier.headers.get('cache-control')], [text, 'no-cache']);
  assert.equal((await getPage(open, '/assets/earlier/none.css')).status, 404);
});

test('a page is compressed, and its form tokens look different each time', async () => {
  const pages = await Promise.all([getPage(open, '/setup'), getPage(open, '/setup')]);
  assert.equal(pages[0]!.headers.get('content-encoding'), 'gzip');
  const [one, other] = pages.map(({ text }) => formTokenIn(text));
  assert.notEqual(one, other);
  for (const token of [one!, other!]) {
    assert.equal((await sendForm(open, '/act', { action: 'pause', name: 'x', token })).status, 303);
  }
});

test('a port that is taken is named, with the setting to change', async () => {
  const { port } = new URL(open.url);
  await assert.rejects(openConsole(db.url, { port: Number(port) }), {
    code: 'bad_setting',
    message: `the console cannot listen on 127.0.0.1, port ${port}: another program listens there already`,
    hint: /CONSOLE_PORT to a free port/,
  });
});
