import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Tries } from '../../console/tries.ts';
import { testDatabase } from '../support/database.ts';
import { formTokenIn, getPage, openConsole, signIn } from './support.ts';

const MAIN = fileURLToPath(new URL('../../console/main.ts', import.meta.url));
const TOKEN = 'correct horse battery staple';
const db = await testDatabase();
const consoles = [await openConsole(db.url, { token: TOKEN }), await openConsole(db.url, { token: TOKEN })];

test('the sign-in page and the cookie give nothing to guess CONSOLE_TOKEN with', async () => {
  const [one, other] = await Promise.all(consoles.map((console) => getPage(console, '/')));
  const forms = [one, other].map((page) => formTokenIn(page!.text));
  const cookies = [
    await signIn(consoles[0]!, TOKEN),
    await signIn(consoles[0]!, TOKEN),
    await signIn(consoles[1]!, TOKEN),
  ].map(({ cookie }) => cookie!);
  // What anyone could compute from a guess is the same in every console, and at every time.
  assert.notEqual(forms[0], forms[1]);
  assert.equal(new Set(cookies.map((cookie) => cookie.split(/[=.]/).at(-1))).size, 3);
  for (const secret of [TOKEN, createHash('sha256').update(TOKEN).digest()])
    assert.notEqual(forms[0], createHmac('sha256', secret).update('form').digest('base64url'));
  assert.equal((await getPage(consoles[0]!, '/', { cookie: cookies[1]! })).status, 200);
  assert.equal((await getPage(consoles[0]!, '/', { cookie: cookies[2]! })).status, 401, 'of another console');
});

test('a form of the sign-in page, or of another session, is not taken from who is signed in', async () => {
  const [console] = consoles;
  const first = (await signIn(console!, TOKEN)).cookie!;
  const second = (await signIn(console!, TOKEN)).cookie!;
  const own = formTokenIn((await getPage(console!, '/setup', { cookie: first })).text);
  const foreign = [
    formTokenIn((await getPage(console!, '/')).text),
    formTokenIn((await getPage(console!, '/setup', { cookie: second })).text),
  ];
  const pause = async (token: string) => {
    const response = await fetch(`${console!.url}/act`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: console!.url, cookie: first },
      body: new URLSearchParams({ token, action: 'pause', name: 'x' }),
    });
    return response.status;
  };
  assert.equal(await pause(own), 303);
  for (const token of foreign) assert.equal(await pause(token), 403);
});

test('wrong tries are logged, without what was typed', async () => {
  const child: ChildProcess = spawn(process.execPath, [MAIN], {
    cwd: '/',
    env: { PATH: process.env.PATH, DATABASE_URL: db.url, CONSOLE_PORT: '0', CONSOLE_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  const { url } = JSON.parse(await next());
  const console = { url, close: async () => {} };
  const seen: string[] = [];
  for (const typed of ['wrong-secret', 'wrong-secret', TOKEN]) {
    await signIn(console, typed);
    seen.push(await next());
  }
  const events = seen.map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ event, wrong_tries }) => [event, wrong_tries]),
    [
      ['sign-in failed', 1],
      ['sign-in failed', 2],
      ['signed in', undefined],
    ],
  );
  for (const { address } of events) assert.equal(address, '127.0.0.1');
  for (const line of seen) assert.doesNotMatch(line, /wrong-secret|correct horse/);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('after wrong tries the next one waits longer and longer, but never longer than 8 seconds', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const checked: string[] = [];
  const tries = new Tries(async (token) => {
    checked.push(token);
    return token === 'right';
  });
  /** The least time after which the next try is checked. */
  const delayOf = async (token: string): Promise<number> => {
    const result = tries.try(token, 'a');
    const before = checked.length;
    for (let ms = 0; ; ms += 250) {
      await settle();
      if (checked.length > before) {
        await result;
        await settle();
        return ms;
      }
      assert.ok(ms < 60_000, 'it is never checked');
      context.mock.timers.tick(250);
    }
  };
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) delays.push(await delayOf('wrong'));
  assert.deepEqual(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(await delayOf('right'), 8000);
  assert.deepEqual([await delayOf('wrong'), await delayOf('wrong')], [0, 250], 'a right one ends the delay');
  context.mock.timers.tick(70_000);
  await delayOf('wrong');
  assert.equal(tries.wrong, 1, 'so does a minute without a wrong one');
});

test('tries do not pile up: one an address waits, and a flood of one address lets others in', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let running = 0;
  const tries = new Tries(async (token) => {
    assert.equal(++running, 1, 'one at a time');
    await held;
    running--;
    return token === 'right';
  });
  const flood = Array.from({ length: 1000 }, () => tries.try('wrong', 'attacker'));
  const person = tries.try('right', 'person');
  release();
  assert.equal(await person, 'right');
  const results = await Promise.all(flood);
  assert.deepEqual([results[0], new Set(results.slice(1))], ['wrong', new Set(['busy'])]);

  const many = await Promise.all(Array.from({ length: 30 }, (_, i) => tries.try('right', `address ${i}`)));
  assert.deepEqual([many.indexOf('busy'), many.lastIndexOf('right')], [20, 19]);
});

test('a try that cannot be checked fails alone', async () => {
  let fails = true;
  const tries = new Tries(async () => {
    if (fails) throw new Error('out of memory');
    return true;
  });
  await assert.rejects(tries.try('right', 'a'), /out of memory/);
  fails = false;
  assert.equal(await tries.try('right', 'a'), 'right');
});

/** Lets every promise that can go on do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}
