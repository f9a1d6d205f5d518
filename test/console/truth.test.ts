import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { act, formTokenIn, getPage, openConsole, sendForm, shows } from './support.ts';

const world = await openWorld();
const console = await openConsole(world.db.url);
const LONG = `long/${'deep/'.repeat(20)}the-end-of-it.csv`;

const page = async (path: string, parameters: Record<string, string> = {}) =>
  (await getPage(console, `${path}?${new URLSearchParams(parameters)}`)).text;
/** The words of the panel with the outcome, and its class. */
const verdict = (text: string) => {
  const [, level, words] = /<section class="outcome (\w+)".*?<p class="verdict">(.*?)<\/p>/s.exec(text) ?? [];
  return `${level}: ${words?.replace(/<[^>]*>/g, '')}`;
};

before(async () => {
  world.put('mixed/1.csv', 'n\n1\n');
  world.put('mixed/2.csv', 'n\none\n');
  world.put(LONG, 'n\n1\n');
  world.put('broken/1.csv', 'n\n"never closed\n');
  await world.db.query('create table mixed (n integer)');
});

test('without a worker every page has a red bar, and the overview says it of each connector', async () => {
  await world.insertConnector({
    name: 'mixed',
    pattern: 'mixed/*',
    target_table: 'mixed',
    on_bad_row: 'skip',
  });
  for (const path of ['/', '/workers', '/setup', '/connector?name=mixed']) {
    shows((await getPage(console, path)).text, /class="alarm" role="alert"><strong>No worker is alive/);
  }
  shows(await page('/'), /badge s-failure">no worker is alive</);
  await world.startWorker();
  await world.settled('mixed');
  assert.ok(!(await page('/')).includes('class="alarm"'));
});

test('the health line counts what needs somebody, and leads to it', async () => {
  await world.insertConnector({ name: 'broken', pattern: 'broken/*', target_table: 'broken' });
  await world.insertConnector({ name: 'gone', bucket: 'no-such', pattern: '*', target_table: 'gone' });
  await world.insertConnector({ name: 'draft', pattern: '**', target_table: 'd', state: 'draft' });
  await world.settled('broken');
  await world.db.waitFor<{ since: Date | null }>(
    "select unavailable_since as since from s3_connector.connector_status where name = 'gone'",
    ([row]) => row?.since !== null,
  );
  const text = await page('/workers');
  const line = /<nav class="health".*?<\/nav>/s.exec(text)![0];
  const found: Record<string, string[]> = {};
  for (const [, show, words] of line.matchAll(/href="\/\?show=(\w+)"><span[^>]*><\/span>([^<]*)</g)) {
    const names = [...(await page('/', { show: show! })).matchAll(/<tr id="connector:(\w+)"/g)];
    found[words!] = names.map(([, name]) => name!);
  }
  assert.deepEqual(found, {
    '1 failing': ['broken'],
    '1 without their bucket': ['gone'],
    '1 with rejected rows': ['mixed'],
    '1 behind': ['gone'],
  });
  shows(line, /href="\/workers"><span class="dot s-success"><\/span>1 worker alive/);
  shows(await page('/'), /badge s-failure">all files failed \(1\)</);
  shows(await page('/'), /aria-label="1 rejected rows of mixed">1<\/a>/);
});

test('an answer that means failure is red, with one sentence first', async () => {
  assert.match(
    verdict(await act(console, 'check', 'gone')),
    /^bad: Failed [2-9] of 9 checks failed: .*no-such/,
  );
  assert.match(
    verdict(await act(console, 'check', 'mixed')),
    /^(good: Done|warn: Look at this) all 9 checks passed/,
  );
  assert.equal(
    verdict(await act(console, 'dry_run_file', 'broken', 'broken/1.csv'))
      .split(':')
      .slice(0, 2)
      .join(':'),
    'bad: Failed an import would fail',
  );
  assert.equal(
    verdict(await act(console, 'dry_run_file', 'mixed', 'mixed/2.csv')),
    'warn: Look at this an import would add 0 rows, 1 rejected',
  );
  assert.equal(
    verdict(await act(console, 'dry_run_file', 'mixed', 'mixed/1.csv')),
    'good: Done an import would add 1 row, 0 rejected',
  );
  assert.match(verdict(await act(console, 'preview', 'mixed')), /^good: Done 2 files match$/);
  await world.insertConnector({ name: 'none', pattern: 'none/*', target_table: 'none', state: 'paused' });
  assert.equal(
    verdict(await act(console, 'preview', 'none')),
    'warn: Look at this no file matches the pattern',
  );
  assert.match(
    verdict(await act(console, 'poll_now', 'none')),
    /^bad: Failed .* is paused and does not poll/,
  );
});

test('drop, undo and cancel say what they delete, and ask', async () => {
  const asked = async (action: string, name: string, key?: string) => {
    const { headers } = await sendForm(console, '/act', { action, name, back: '/', ...(key && { key }) });
    const to = headers.get('location')!;
    assert.match(to, /^\/confirm\?/, action);
    return (await getPage(console, to)).text;
  };
  await world.db.query('create table kept (n integer, file_id bigint)');
  await world.importFile('kept', 'n\n1\n2\n', { file_id_column: 'file_id' });
  shows(await asked('undo_file', 'kept', 'kept/1.csv'), /Deletes 2 rows of kept/);
  shows(await asked('reimport_file', 'kept', 'kept/1.csv'), /Deletes 2 rows of kept, and imports/);
  shows(await asked('cancel_file', 'broken', 'broken/1.csv'), /is not imported into broken/);
  shows(await asked('drop_connector', 'kept'), /record of 1 files .* The 2 rows in kept stay/);
  shows(await asked('drop_connector', 'draft'), /Deletes the draft\. Nothing was imported/);
  assert.equal((await world.db.query('select from kept')).length, 2);
  assert.equal((await world.db.query("select from s3_connector.connectors where name = 'draft'")).length, 1);
  assert.equal((await getPage(console, '/confirm?action=pause&name=kept')).status, 404);
});

test('a draft leads to its setup, and cannot be started from its page', async () => {
  const text = await page('/connector', { name: 'draft' });
  assert.deepEqual(
    [...text.matchAll(/name="action" value="(\w+)"/g)].map(([, action]) => action),
    ['check', 'check', 'drop_connector'],
  );
  shows(text, /href="\/setup\?name=draft&amp;step=source">Continue/);
  shows(text, /badge s-draft">draft</);
});

test('a long key is shortened in the middle, and can be copied', async () => {
  await world.insertConnector({ name: 'long', pattern: 'long/**', target_table: 'long' });
  await world.settled('long');
  const text = await page('/connector', { name: 'long' });
  shows(text, new RegExp(`title="${LONG}" aria-label="${LONG}">long/deep[^<]*…[^<]*the-end-of-it\\.csv</a>`));
  shows(text, new RegExp(`data-copy="${LONG}"`));
});

test('the life of a file shows an error once, and counts its current status', async () => {
  for (let again = 0; again < 3; again++) {
    await act(console, 'retry_file', 'broken', 'broken/1.csv');
    await world.settled('broken');
  }
  const { error_message } = await world.db.one<{ error_message: string }>(
    "select error_message from s3_connector.files where connector_name = 'broken'",
  );
  const text = await page('/file', { name: 'broken', key: 'broken/1.csv' });
  const escaped = error_message.replaceAll('"', '&quot;').replaceAll("'", '&#39;');
  assert.equal(text.split(escaped).length - 1, 1);
  shows(text, /the error above/);
  await world.db.query("select s3_connector.pause('broken'), s3_connector.retry('broken')");
  shows(
    await page('/file', { name: 'broken', key: 'broken/1.csv' }),
    /badge s-paused">paused<\/span>\s*<span class="lasted">[^<]+ so far/,
  );
});

test('a person can sign out', async () => {
  const token = 'a token for the console';
  const closed = await openConsole(world.db.url, { token });
  const signIn = await sendForm(closed, '/login', {
    token: formTokenIn((await getPage(closed, '/')).text),
    secret: token,
    back: '/',
  });
  const cookie = signIn.headers.get('set-cookie')!.split(';')[0]!;
  const inside = await getPage(closed, '/', { cookie });
  shows(inside.text, /action="\/logout"/);
  const out = await sendForm(closed, '/logout', { token: formTokenIn(inside.text) }, { cookie });
  assert.match(out.headers.get('set-cookie')!, /Max-Age=0/);
  assert.equal((await getPage(closed, '/', { cookie })).status, 401);
  assert.ok(!(await page('/')).includes('/logout'), 'without a token nobody signs in');
});
