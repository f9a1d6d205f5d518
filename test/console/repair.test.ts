import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { describeCode } from '../../console/error_codes.ts';
import { openWorld } from '../support/world.ts';
import { getPage, openConsole, sendForm, shows } from './support.ts';

const world = await openWorld();
const console = await openConsole(world.db.url);
const page = async (path: string, parameters: Record<string, string> = {}) =>
  (await getPage(console, `${path}?${new URLSearchParams(parameters)}`)).text;

before(async () => {
  await world.db.query('create table taxi (id integer, total numeric)');
  await world.db.query('create table temps (degrees integer)');
  for (let n = 1; n <= 3; n++) world.put(`taxi/${n}.csv`, `id,total_amount\n${n},5\n`);
  world.put('temps/1.csv', 'degrees\n1\n');
  world.put('temps/2.csv', 'degrees\n2\nwarm\n"a ""b"", c"\n');
  await world.startWorker();
  await world.insertConnector({ name: 'taxi', pattern: 'taxi/*', target_table: 'taxi' });
  await world.insertConnector({ name: 'temps', pattern: 'temps/*', target_table: 'temps' });
  await world.settled('taxi');
  await world.settled('temps');
});

/** Follows the link to the repair of the only cause, and returns the page. */
const repairOf = async (name: string, parameters: Record<string, string> = {}) => {
  const [, address] = /class="button" href="(\/repair[^"]+)">Repair/.exec(
    await page('/connector', { name }),
  )!;
  const url = new URL(address!.replaceAll('&amp;', '&'), console.url);
  for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
  return (await getPage(console, url.pathname + url.search)).text;
};
/** Presses the button of one repair on that page. */
const run = async (text: string, kind: string) => {
  const form = text.split('<form').find((part) => part.includes(`name="kind" value="${kind}"`))!;
  const plain = (value: string) =>
    value.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
  const fields = [...form.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [
    name!,
    plain(value!),
  ]);
  const reply = await sendForm(console, '/repair', Object.fromEntries(fields));
  return (await getPage(console, reply.headers.get('location')!)).text;
};

test('failures are grouped by cause, with a link to what the code means', async () => {
  const text = await page('/connector', { name: 'taxi' });
  shows(text, /<b>unknown_column total_amount, 3 files<\/b> <a href="\/code\?code=unknown_column">/);
  const code = await page('/code', { code: 'unknown_column' });
  shows(code, /map them in <code>column_mappings<\/code>/);
  assert.equal((await getPage(console, '/code?code=none')).status, 404);
});

test('a repair that does not help retries nothing, and says so', async () => {
  const text = await repairOf('taxi', { target: 'id' });
  const failed = await run(text, 'map');
  shows(failed, /<section class="outcome bad".*nothing was retried, and the connector stays paused/s);
  assert.deepEqual(
    await world.db.query("select distinct status from s3_connector.files where connector_name = 'taxi'"),
    [{ status: 'failure' }],
  );
  await world.db.query("delete from s3_connector.column_mappings where connector_name = 'taxi'");
  await world.db.query("select s3_connector.resume('taxi')");
});

test('a column is mapped by one block of SQL: pause, map, dry run, resume, retry', async () => {
  const text = await repairOf('taxi', { target: 'total' });
  const [, block] = /Import total_amount into the column total<.*?<code>(.*?)<\/code>/s.exec(text)!;
  const calls = ['pause(', 'column_mappings', 'dry_run_file(', 'resume(', 'retry_files('];
  assert.deepEqual(
    [...calls].sort((a, b) => block!.indexOf(a) - block!.indexOf(b)),
    calls,
  );
  shows(await run(text, 'map'), /<section class="outcome good"/);
  await world.settled('taxi');
  assert.deepEqual(await world.db.query('select id, total from taxi order by id'), [
    { id: 1, total: '5' },
    { id: 2, total: '5' },
    { id: 3, total: '5' },
  ]);
  assert.ok(!(await page('/connector', { name: 'taxi' })).includes('Why files failed'));
});

test('the line of an error comes with the command that reads its neighbours from the object', async () => {
  const text = await page('/file', { name: 'temps', key: 'temps/2.csv' });
  const [, command] = /aria-label="Command"><code>(.*?)<\/code>/s.exec(text)!;
  assert.equal(
    command!.replaceAll('&#39;', "'"),
    `aws s3 cp 's3://${world.bucket}/temps/2.csv' - --endpoint-url '${world.server.endpoint}' | sed -n '1p;2,6p'`,
  );
});

test('bad rows are left out by a repair, and can be downloaded as CSV', async () => {
  const text = await repairOf('temps');
  shows(await run(text, 'skip_rows'), /<section class="outcome warn"|<section class="outcome good"/);
  await world.settled('temps');
  shows(await page('/connector', { name: 'temps' }), /href="\/rejected\?name=temps">2 rows</);
  shows(await page('/rejected', { name: 'temps' }), /<code class="raw">warm/);
  const csv = await getPage(console, '/rejected.csv?name=temps');
  assert.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8');
  const [header, first, second] = csv.text.split('\r\n');
  assert.equal(header, 'file,line,column,reason,row');
  assert.match(first!, /^temps\/2\.csv,3,degrees,.*,"?warm/);
  assert.match(second!, /^temps\/2\.csv,4,degrees,.*/);
});

test('a repair needs the rights of its statements', async () => {
  const role = await world.db.createRole();
  await world.db.query(`grant s3_connector_reader to ${role.name}`);
  world.put('taxi/4.csv', 'id,extra\n4,5\n');
  await world.pollAndSettle('taxi');
  const url = new URL(world.db.url);
  url.username = role.name;
  url.password = role.password;
  const reader = await openConsole(url.href);
  const [, address] = /href="(\/repair[^"]+)">/.exec(await page('/connector', { name: 'taxi' }))!;
  const { text } = await getPage(reader, address!.replaceAll('&amp;', '&'));
  assert.ok(!text.includes('method="post"'));
  shows(text, new RegExp(`grant s3_connector_admin to ${role.name};`));
});

test('files have tabs with counts, two orders, and actions on all that are found', async () => {
  for (let n = 0; n < 60; n++) world.put(`many/${String(n).padStart(2, '0')}.csv`, 'n\n"open\n');
  await world.insertConnector({ name: 'many', pattern: 'many/*', target_table: 'many' });
  await world.settled('many');
  const first = await page('/connector', { name: 'many', status: 'failure' });
  shows(first, /aria-current="true">failure <b>60<\/b>/);
  shows(first, /1–50 of 60/);
  const keys = (text: string) =>
    [...text.matchAll(/<tr id="file:([^"]+)"/g)].map(([, key]) => decodeURIComponent(key!));
  const next = async (text: string) => {
    const [, address] = /rel="next" href="([^"#]+)/.exec(text)!;
    return (await getPage(console, address!.replaceAll('&amp;', '&'))).text;
  };
  shows(await next(first), /51–60 of 60/);
  const byTime = await page('/connector', { name: 'many', order: 'time' });
  const all = [...keys(byTime), ...keys(await next(byTime))];
  const ended = await world.db.query<{ key: string }>(
    "select key from s3_connector.files where connector_name = 'many' order by finished_at desc, key desc",
  );
  assert.deepEqual(
    all,
    ended.map(({ key }) => key),
  );

  const target = { name: 'many', back: '/', status: 'failure', search: '0' };
  const asked = await sendForm(console, '/act', { action: 'cancel_files', ...target });
  shows((await getPage(console, asked.headers.get('location')!)).text, /Cancels 15 files/);
  await sendForm(console, '/act', { action: 'cancel_files', confirmed: 'yes', ...target });
  assert.equal(
    (await world.db.query("select from s3_connector.files where status = 'cancelled'")).length,
    15,
  );
  await sendForm(console, '/act', {
    action: 'retry_files',
    confirmed: 'yes',
    name: 'many',
    back: '/',
    status: 'cancelled',
  });
  const files = await world.settled('many');
  assert.deepEqual(new Set(files.map(({ status }) => status)), new Set(['failure']));
});

test('every code in the docs has a page', () => {
  for (const code of ['bucket_missing', 'unterminated_quote', 'bad_value', 'worker_died', 'import_timeout']) {
    assert.ok(describeCode(code).length > 0, code);
  }
  assert.deepEqual(describeCode('none'), []);
});
