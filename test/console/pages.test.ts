import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';
import { act, formTokenIn, getPage, openConsole, shows } from './support.ts';

const world = await openWorld();
const NAME = 'weather & <wind>';
const CONNECTOR = `/connector?${new URLSearchParams({ name: NAME })}`;
const BAD = 'w/<b>bad.csv';
const console = await openConsole(world.db.url);

before(async () => {
  world.put('w/1.csv', 'a,b\n1,2\n3,4\n');
  world.put('w/2.csv', 'a,b\n1,x\n5,6\n');
  world.put(BAD, 'a,b\n"never closed\n');
  await world.startWorker();
  await world.insertConnector({ name: NAME, pattern: 'w/*', target_table: 'weather', on_bad_row: 'skip' });
  await world.settled(NAME);
});

const page = (path: string, parameters: Record<string, string> = {}) =>
  getPage(console, `${path}?${new URLSearchParams(parameters)}`);

test('the overview shows the data flow, and escapes names', async () => {
  const { text } = await page('/', { view: 'flow' });
  shows(text, /<a href="\/connector\?name=weather[^"]+">weather &amp; &lt;wind&gt;<\/a>/);
  assert.ok(!text.includes('<wind>'));
  shows(text, /<b>3<\/b> rows/);
  shows(text, /2 success/);
  shows(text, /1 failure/);
  // The minute may have changed between the two files of 2 rows and 1 row.
  shows(text, /Rows per minute in the last hour, [23] at most/);
});

test('the overview can be filtered by part of a name', async () => {
  shows((await page('/', { search: 'WIND' })).text, /weather &amp;/);
  const { text } = await page('/', { search: '<x>' });
  shows(text, /value="&lt;x&gt;"/);
  shows(text, /No such connector/);
  shows((await page('/', { show: 'failing' })).text, /weather &amp;/);
  shows((await page('/', { show: 'paused' })).text, /No such connector/);
});

test('files are found by part of their name and by status', async () => {
  const keys = async (parameters: Record<string, string>) => {
    const { text } = await page('/connector', { name: NAME, ...parameters });
    return [...text.matchAll(/<tr id="file:([^"]+)"/g)].map(([, key]) => decodeURIComponent(key!));
  };
  assert.deepEqual(await keys({}), [BAD, 'w/2.csv', 'w/1.csv']);
  assert.deepEqual(await keys({ status: 'failure' }), [BAD]);
  assert.deepEqual(await keys({ search: 'bad' }), [BAD]);
  assert.deepEqual(await keys({ search: 'w/?.csv', status: 'success' }), ['w/2.csv', 'w/1.csv']);
  assert.deepEqual(await keys({ search: '%' }), []);
});

test("a file's page shows its history and its rejected rows", async () => {
  const { text } = await page('/file', { name: NAME, key: 'w/2.csv' });
  const life = /<ol>(.*?)<\/ol>/s.exec(text)![1]!;
  assert.deepEqual(
    [...life.matchAll(/<li class="s-(\w+)">/g)].map(([, status]) => status),
    ['in_queue', 'running', 'success'],
  );
  shows(life, /<span class="lasted">\d+(\.\d+)? m?s<\/span>/);
  shows(text, /See line 2 between its neighbours/);
  shows(text, /data-label="Line"[^>]*>2<.*invalid input syntax.*<code class="raw">1,x\n?<\/code>/s);
});

test('an action shows its SQL before it runs, and its result after', async () => {
  const { text } = await page('/connector', { name: NAME });
  shows(text, /select s3_connector\.pause\(&#39;weather &amp; &lt;wind&gt;&#39;\);/);
  const paused = await act(console, 'pause', NAME);
  shows(paused, /role="status"[^>]*>\s*<p class="verdict"><strong>Done/);
  shows(paused, /does not poll/);
  const refused = await act(console, 'poll_now', NAME);
  shows(refused, /role="alert"/);
  shows(refused, /is paused and does not poll/);
  shows(refused, /class="hint">Resume it: select s3_connector\.resume\(/);
  shows(await act(console, 'resume', NAME), /<strong>Done/);
  await world.settled(NAME);
});

test('a check shows what the worker found', async () => {
  const text = await act(console, 'check', NAME);
  shows(text, /<li>list: ok/);
  shows(text, /id="check-title"/);
});

test('retry all failed shows the number of files; one file can be cancelled and retried', async () => {
  shows(await act(console, 'retry', NAME), /<li>retry: 1<\/li>/);
  await world.settled(NAME);
  shows(await act(console, 'cancel_file', NAME, BAD), /<strong>Done/);
  shows(await act(console, 'retry_file', NAME, 'w/3.csv'), /has no file with the key/);
});

test('late files that an audit finds are shown, and a button imports them', async () => {
  world.put('w/0.csv', 'a,b\n7,8\n');
  const audited = await act(console, 'audit', NAME);
  shows(audited, /1 late, 0 overwritten/);
  shows(audited, /<span class="key">w\/0\.csv<\/span>.* <span class="note">late, 8 B/);
  shows(await act(console, 'import_late', NAME), /<strong>Done/);
  const files = await world.settled(NAME);
  assert.equal(files.find(({ key }) => key === 'w/0.csv')?.status, 'success');
});

test('the grants of the role decide what is possible, and the page says so', async () => {
  const role = await world.db.createRole();
  const url = new URL(world.db.url);
  url.username = role.name;
  url.password = role.password;
  const readers = await openConsole(url.href);

  const stranger = await getPage(readers, '/');
  assert.equal(stranger.status, 403);
  shows(stranger.text, /permission denied for schema s3_connector/);

  await world.db.query(`grant s3_connector_reader to ${role.name}`);
  const reader = await getPage(readers, '/');
  assert.equal(reader.status, 200);
  shows(reader.text, new RegExp(`role <code>${role.name}</code>`));

  await world.db.query(`grant s3_connector_operator to ${role.name}`);
  const { text: asOperator } = await getPage(readers, CONNECTOR);
  await world.db.query(`revoke s3_connector_operator from ${role.name}`);
  const refused = await act(readers, 'pause', NAME, undefined, formTokenIn(asOperator));
  shows(refused, /permission denied for function pause<\/span> <code>42501/);
  shows(refused, new RegExp(`grant s3_connector_operator to ${role.name}`));
  assert.equal((await world.db.one('select state from s3_connector.connectors')).state, 'running');

  await world.db.query(`grant s3_connector_operator to ${role.name}`);
  shows(await act(readers, 'poll_now', NAME, undefined, formTokenIn(asOperator)), /<strong>Done/);
});

test('a role sees no button that PostgreSQL would refuse, on any page', async () => {
  const role = await world.db.createRole();
  const url = new URL(world.db.url);
  url.username = role.name;
  url.password = role.password;
  const console = await openConsole(url.href);
  await world.insertConnector({ name: 'resting', pattern: 'r/*', target_table: 'resting', state: 'paused' });
  const paths = [
    '/',
    '/workers',
    CONNECTOR,
    `/connector?${new URLSearchParams({ name: 'resting' })}`,
    ...(await world.settled(NAME)).map(({ key }) => `/file?${new URLSearchParams({ name: NAME, key })}`),
  ];
  /** The actions of all pages, and the links to the setup. */
  const offered = async () => {
    const pages = await Promise.all(paths.map((path) => getPage(console, path)));
    for (const [i, { status }] of pages.entries()) assert.equal(status, 200, paths[i]);
    const text = pages.map((page) => page.text).join('');
    return {
      actions: new Set([...text.matchAll(/name="action" value="(\w+)"/g)].map(([, action]) => action!)),
      posts: /method="post"/.test(text),
      setup: /href="\/setup/.test(text),
      says: new Set([...text.matchAll(/may only read\. [^<]*run: ([^<]*);/g)].map(([, grant]) => grant!)),
    };
  };

  await world.db.query(`grant s3_connector_reader to ${role.name}`);
  assert.deepEqual(await offered(), {
    actions: new Set(),
    posts: false,
    setup: false,
    says: new Set([`grant s3_connector_operator to ${role.name}`]),
  });
  const setup = await getPage(console, '/setup');
  assert.equal(setup.status, 403);
  shows(setup.text, new RegExp(`may not configure connectors.*grant s3_connector_admin to ${role.name};`));

  await world.db.query(`grant s3_connector_operator to ${role.name}`);
  const operator = await offered();
  for (const action of ['pause', 'poll_now', 'check', 'audit', 'drop_connector', 'retry_file'])
    assert.ok(operator.actions.has(action), action);
  assert.equal(operator.setup, false);
  assert.equal(operator.says.size, 0);

  await world.db.query(`grant s3_connector_admin to ${role.name}`);
  assert.equal((await offered()).setup, true);
  assert.equal((await getPage(console, '/setup')).status, 200);
});

test('a missing connector or file gives a page that says so', async () => {
  assert.equal((await page('/connector', { name: 'none' })).status, 404);
  assert.equal((await page('/file', { name: NAME, key: 'none' })).status, 404);
  assert.equal((await page('/connector')).status, 404);
  assert.equal((await page('/setup', { name: 'none' })).status, 404);
});

test('an unreachable database, and one without migrations, give a page that says so', async () => {
  const url = new URL(world.db.url);
  url.pathname = '/no_such_database';
  shows((await getPage(await openConsole(url.href), '/')).text, /does not exist \(3D000\)/);
  url.port = '1';
  assert.equal((await getPage(await openConsole(url.href), '/')).status, 503);
  const empty = await testDatabase({ empty: true });
  const unmigrated = await getPage(await openConsole(empty.url), '/');
  shows(unmigrated.text, /pg-s3-connector migrate/);
});
