import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLogSettings } from '../src/config.ts';
import type { LogLine } from '../src/log_line.ts';
import { toText } from '../src/log_text.ts';
import { openWorld } from './support/world.ts';

const line = (fields: Record<string, unknown>): LogLine => ({
  time: '2026-11-25T12:00:01.234Z',
  level: 'warn',
  event: 'import failed',
  ...fields,
});

test('a log line for a terminal has time, level, event and fields', () => {
  assert.equal(
    toText(
      line({ connector: 'sensors', key: 'a/1.csv', attempt: 2, error: 'no such column', stack: undefined }),
      false,
    ),
    '12:00:01 warn  import failed  connector=sensors key=a/1.csv attempt=2 error="no such column"',
  );
  assert.equal(toText(line({}), false), '12:00:01 warn  import failed');
  assert.equal(
    toText(line({ key: 'Übersicht/é.csv', rows: null }), false).slice(30),
    'key=Übersicht/é.csv rows=null',
  );
});

test('only the level is coloured, and control characters in a key never reach the terminal', () => {
  assert.ok(toText(line({}), true).endsWith('\x1b[33mwarn  import failed\x1b[0m'));
  const evil = 'a\x1b[2J\x07\n\u009b31m\u202ecsv\u2028\x7f\u{E0041}\u200b';
  const text = toText(line({ key: evil }), false);
  assert.doesNotMatch(text, /[\p{C}\u2028\u2029]/u);
  assert.equal(JSON.parse(text.slice(text.indexOf('key=') + 4)), evil);
});

test('the log is text on a terminal and JSON elsewhere, unless set otherwise', () => {
  const { isTTY } = process.stdout;
  try {
    process.stdout.isTTY = true;
    assert.deepEqual(readLogSettings({}), { format: 'text', level: 'info' });
    assert.equal(readLogSettings({ LOG_FORMAT: 'json' }).format, 'json');
    process.stdout.isTTY = false;
    assert.deepEqual(readLogSettings({ LOG_LEVEL: '' }), { format: 'json', level: 'info' });
    assert.deepEqual(readLogSettings({ LOG_FORMAT: 'text', LOG_LEVEL: 'warn' }), {
      format: 'text',
      level: 'warn',
    });
  } finally {
    process.stdout.isTTY = isTTY;
  }
  assert.throws(() => readLogSettings({ LOG_FORMAT: 'xml' }), {
    code: 'bad_setting',
    message: 'LOG_FORMAT must be json or text; it is "xml"',
  });
  assert.throws(() => readLogSettings({ LOG_LEVEL: 'toString' }), { code: 'bad_setting' });
});

test('a worker logs its actions with connector, key and attempt', async () => {
  const world = await openWorld();
  world.put('log/1.csv', 'a\n1\n');
  world.put('log/2.csv', 'a\nx\n');
  await world.db.query('create table logged (a integer)');
  const worker = await world.startWorker();
  await world.insertConnector({ name: 'logged', pattern: 'log/*', target_table: 'logged' });
  await world.settled('logged');
  const said = await worker.logged('import failed');
  assert.deepEqual(said, {
    ...said,
    level: 'warn',
    connector: 'logged',
    key: 'log/2.csv',
    attempt: 1,
    status: 'failure',
  });
  assert.deepEqual((await worker.logged('imported')).rows, 1);
  await worker.end('SIGTERM');

  await assert.rejects(
    world.startWorker({ LOG_LEVEL: 'error', DATABASE_URL: '' }),
    /DATABASE_URL must be set/,
  );
  await assert.rejects(world.startWorker({ LOG_LEVEL: 'loud' }), /LOG_LEVEL must be info or warn or error/);
});
