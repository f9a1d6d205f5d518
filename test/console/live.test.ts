import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testDatabase } from '../support/database.ts';
import { getPage, openConsole } from './support.ts';

const MAIN = fileURLToPath(new URL('../../console/main.ts', import.meta.url));
const LISTENING =
  "select from pg_stat_activity where application_name = 's3_connector console live' and query ilike 'listen%' and datname = current_database()";
const db = await testDatabase();
const console = await openConsole(db.url);

/** The events that a page receives, one by one. */
async function* follow(path: string): AsyncGenerator<string> {
  const ended = new AbortController();
  after(() => ended.abort());
  const response = await fetch(console.url + path, { signal: ended.signal });
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const events = text.split('\n\n');
    text = events.pop()!;
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      if (name) yield name === 'state' ? /^data: (.*)$/m.exec(event)![1]! : name;
    }
  }
}

const next = async (events: AsyncGenerator<string>) => (await events.next()).value;
const notify = (payload: unknown) =>
  db.query("select pg_notify('s3_connector', $1)", [
    typeof payload === 'string' ? payload : JSON.stringify(payload),
  ]);

test('a page is notified of its own connector only, or of all, also after the console has lost its session', async () => {
  await db.waitFor(LISTENING, (rows) => rows.length === 1);
  const ofA = follow('/events?connector=a');
  const ofAll = follow('/events');
  assert.equal(await next(ofA), 'live');
  assert.equal(await next(ofAll), 'live');
  await notify({ connector: 'b', key: 'x', status: 'success' });
  assert.equal(await next(ofAll), 'change');
  await notify({ connector: 'a', key: 'x', status: 'success' });
  assert.equal(await next(ofA), 'change');

  await db.query(LISTENING.replace('select', 'select pg_terminate_backend(pid)'));
  assert.equal(await next(ofA), 'on');
  assert.equal(await next(ofA), 'live');
  await notify('not JSON, so it may be about any');
  assert.equal(await next(ofA), 'change');
});

function start(env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // In a folder without .env.
    cwd: '/',
  });
  after(() => child.kill('SIGKILL'));
  return child;
}

test('npm run console prints its address, and ends on a signal', async () => {
  const child = start({ DATABASE_URL: db.url, CONSOLE_PORT: '0' });
  const [line] = await once(createInterface({ input: child.stdout! }), 'line');
  const { event, url } = JSON.parse(line);
  assert.equal(event, 'console');
  assert.equal((await getPage({ url } as typeof console, '/')).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a console with a missing setting ends with an error that names it', async () => {
  for (const [env, words] of [
    [{}, /DATABASE_URL must be set/],
    [{ DATABASE_URL: db.url, CONSOLE_HOST: '0.0.0.0' }, /CONSOLE_TOKEN is not set/],
  ] as const) {
    const child = start(env);
    let said = '';
    child.stderr!.on('data', (text) => {
      said += text;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 1);
    assert.match(said, words);
    assert.doesNotMatch(said, /\n {4}at /);
  }
});
