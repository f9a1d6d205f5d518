import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { formTokenIn, getPage, openConsole, sendForm, shows } from './support.ts';

const world = await openWorld();
const { db } = world;
const console = await openConsole(db.url);
const CSV = 'time,site,pm25\n2026-01-01 00:00:00Z,a,4.5\n2026-01-01 01:00:00Z,b,\n';

before(async () => {
  world.put('air/1.csv', CSV);
  world.put('mixed/1.csv', 'n,note\n1,x\ntwo,y\n3\n4,z\n');
  await db.query('create table keyless (n integer, note text)');
  await db.query(
    'create table keyed (time timestamptz primary key, site text, pm25 numeric(6,2), added timestamptz default now(), "of whom" text not null)',
  );
  await world.startWorker({ PROJECT_ID: 'acme', SERVICE_ID: 'telemetry' });
});

/** Inserts a draft as the first step would. */
const draft = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({ name, pattern: `${name}/*`, target_table: name, state: 'draft', ...columns });
const page = async (name: string, step: string) => {
  const { status, text } = await getPage(console, `/setup?${new URLSearchParams({ name, step })}`);
  assert.equal(status, 200);
  return text;
};
const send = (step: string, name: string | undefined, fields: Record<string, string>, then = 'next') =>
  sendForm(console, '/setup', { step, then, ...(name && { draft: name }), ...fields });
/** Sends the whole form of a step as a browser would, with some fields changed. */
const submit = async (step: string, name: string, changes: Record<string, string>, then = 'next') =>
  send(step, name, { ...fieldsOf(await page(name, step)), ...changes }, then);
/** Follows the redirect of a form that was saved. */
const follow = async ({ status, headers, text }: Awaited<ReturnType<typeof sendForm>>) => {
  assert.equal(status, 303, text.replace(/<[^>]*>/g, ' ').slice(0, 800));
  return (await getPage(console, headers.get('location')!)).text;
};
const stored = (name: string) =>
  db.one<Record<string, unknown>>('select * from s3_connector.connectors where name = $1', [name]);

/** The values of the controls that a browser would send. */
function fieldsOf(html: string): Record<string, string> {
  const form = /<form class="setup.*?<\/form>/s.exec(html)![0];
  const found: Record<string, string> = {};
  const unescaped = (text: string) =>
    text.replace(
      /&(quot|lt|gt|amp|#39);/g,
      (_, name) => ({ quot: '"', lt: '<', gt: '>', amp: '&' })[name as string] ?? "'",
    );
  for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
    const name = / name="([^"]*)"/.exec(tag)?.[1];
    if (name && (!tag.includes('type="checkbox"') || / checked/.test(tag)))
      found[name] = unescaped(/ value="([^"]*)"/.exec(tag)![1]!);
  }
  for (const [, name, options] of form.matchAll(/<select[^>]* name="([^"]*)"[^>]*>(.*?)<\/select>/gs))
    found[name!] = unescaped(/<option value="([^"]*)" selected>/.exec(options!)![1]!);
  for (const [, name, text] of form.matchAll(/<textarea[^>]* name="([^"]*)"[^>]*>\n(.*?)<\/textarea>/gs))
    found[name!] = unescaped(text!);
  return found;
}

/** The field of a column, with its label, error and help. */
function field(html: string, column: string): string {
  return new RegExp(`<div class="[^"]*" data-when="${column}".*?</div>`, 's').exec(html)?.[0] ?? '';
}

const isHidden = (html: string, column: string) => /^<[^>]* hidden>/.test(field(html, column));
const controls = (html: string) => new Set([...html.matchAll(/ name="(\w+)"/g)].map(([, name]) => name!));
/** The words of the panel with the outcome, and its class. */
const verdict = (html: string) => {
  const [, level, words] = /<section class="outcome (\w+)".*?<p class="verdict">(.*?)<\/p>/s.exec(html) ?? [];
  return `${level}: ${words?.replace(/<[^>]*>/g, '')}`;
};

/** Runs a function in a database in which TimescaleDB seems to be installed. */
async function withTimescaledb<T>(run: () => Promise<T>): Promise<T> {
  const write = (statement: string) => db.asSuperuser(`set allow_system_table_mods = on; ${statement}`);
  await write(`insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    select 4000000, 'timescaledb', 10, 'pg_catalog'::regnamespace, false, '2.28'`);
  try {
    return await run();
  } finally {
    await write("delete from pg_extension where oid = 4000000 and extname = 'timescaledb'");
  }
}

test('the forms have every column of connectors, with a help text for people', async () => {
  await draft('complete');
  const pages = await withTimescaledb(() =>
    Promise.all(['source', 'pattern', 'columns', 'rules'].map((step) => page('complete', step))),
  );
  const all = [(await getPage(console, '/setup')).text, ...pages].join('');
  const named = controls(all);
  const columns = await db.query<{ name: string; comment: string }>(`
    select a.attname as name, col_description(a.attrelid, a.attnum) as comment
    from pg_attribute a where a.attrelid = 's3_connector.connectors'::regclass and a.attnum > 0 and not a.attisdropped`);
  const byDatabase = ['state', 'owner', 'created_at'];
  // Two fields make a schedule.
  const missing = columns.filter(
    ({ name }) => !named.has(name) && !byDatabase.includes(name) && !all.includes(`name="${name}.choice"`),
  );
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
    'columns without a field in console/setup/fields/',
  );
  const helps = [...all.matchAll(/<small[^>]*>([^<]*)<\/small>/g)].map(([, help]) => help!);
  assert.ok(helps.length >= columns.length - 5);
  for (const help of helps) {
    assert.ok(help.length > 10, help);
    assert.doesNotMatch(help, /\bnull:/i);
    assert.ok(!columns.some(({ comment }) => comment === help), help);
  }
});

test('the first check lists with the prefix of the pattern, which a limited role may', async () => {
  const seen = world.server.requests.recent.length;
  const { headers } = await send('source', undefined, {
    name: 'air',
    bucket: world.bucket,
    pattern: 'air/*.csv',
    endpoint: world.server.endpoint,
    auth_method: 'worker',
  });
  assert.match(headers.get('location')!, /^\/setup\?name=air&step=pattern/);
  const lists = world.server.requests.recent.slice(seen).filter(({ query }) => query['list-type'] === '2');
  assert.ok(lists.length > 0);
  assert.deepEqual([...new Set(lists.map(({ query }) => query.prefix))], ['air/']);
});

test('errors stand at their fields, and the first one has the focus', async () => {
  const { status, text } = await send('source', undefined, { name: '', bucket: ' ', pattern: '' });
  assert.equal(status, 422);
  const controlOf = (html: string, column: string) =>
    new RegExp(`<input id="f-${column}"[^>]*>`).exec(html)![0];
  for (const column of ['name', 'bucket', 'pattern']) {
    assert.match(
      controlOf(text, column),
      new RegExp(`aria-describedby="f-${column}-error f-${column}-help" aria-invalid="true"`),
    );
    shows(field(text, column), new RegExp(`id="f-${column}-error">\\w+ is missing\\.`));
  }
  assert.deepEqual(
    [...text.matchAll(/<[^>]* autofocus[^>]*>/g)].map(([tag]) => / name="(\w+)"/.exec(tag)?.[1]),
    ['name'],
  );
  assert.match(verdict(text), /^bad: Failed nothing was saved: Name is missing\. \(and 2 more below\)$/);

  // PostgreSQL says which column its error is about. A field in a fold opens it.
  await draft('wrong');
  const glob = (await submit('pattern', 'wrong', { exclude: 'a/[' })).text;
  assert.match(/<textarea id="f-exclude"[^>]*>/.exec(glob)![0], /aria-invalid="true" autofocus/);
  shows(field(glob, 'exclude'), /exclude must close every \{ and \[/);
  shows(glob, /<details class="fold" data-when="Advanced: which files[^>]* open>/);
  const again = (await submit('source', 'wrong', { endpoint: 'nowhere' })).text;
  shows(field(again, 'endpoint'), /endpoint must be a URL/);
  assert.match(controlOf(again, 'endpoint'), /value="nowhere"/);
});

test('before the ARN of a role is asked for, the form shows the external id and the policies', async () => {
  const { status, text } = await send(
    'source',
    undefined,
    { name: 'x', bucket: 'their-bucket', pattern: 'logs/**/*.gz', auth_method: 'iam_role' },
    'look',
  );
  assert.equal(status, 200);
  assert.equal(isHidden(text, 'role_arn'), false);
  const before = text.slice(0, text.indexOf('id="f-role_arn"'));
  shows(before, /external id is <code>acme\/telemetry<\/code>/);
  shows(before, /&quot;sts:ExternalId&quot;: &quot;acme\/telemetry&quot;/);
  shows(before, /arn:aws:s3:::their-bucket\/logs\/\*&quot;/);
  assert.deepEqual(await db.query("select from s3_connector.connectors where name = 'x'"), []);
  const plain = (await getPage(console, '/setup')).text;
  assert.ok(isHidden(plain, 'role_arn') && /<div class="iam"[^>]* hidden>/.test(plain));
});

test('a form shows only what applies, and saves defaults for the rest', async () => {
  await draft('modes', {
    on_bad_row: 'skip',
    max_bad_rows: 5,
    csv_delimiter: ';',
    exclude: ['**/*.bak', 'a,b'],
  });
  const csv = await page('modes', 'pattern');
  assert.equal(isHidden(csv, 'csv_delimiter'), false);
  assert.match(csv, /<textarea id="f-exclude"[^>]*>\n\*\*\/\*\.bak\na,b<\/textarea>/);
  const parquet = (await submit('pattern', 'modes', { file_format: 'parquet' }, 'look')).text;
  assert.ok(isHidden(parquet, 'csv_delimiter'));
  assert.equal(isHidden(parquet, 'match_columns_by'), false);
  assert.ok(
    isHidden((await submit('pattern', 'modes', { file_format: 'json' }, 'look')).text, 'match_columns_by'),
  );

  await submit('pattern', 'modes', { file_format: 'parquet', exclude: '**/*.bak\r\n\r\nc/{d,e}' });
  const rules = await page('modes', 'rules');
  assert.equal(isHidden(rules, 'max_bad_rows'), false);
  const changed = (await submit('rules', 'modes', { on_bad_row: 'fail', change_column: 'Op' }, 'look')).text;
  assert.ok(isHidden(changed, 'max_bad_rows') && isHidden(changed, 'on_conflict'));
  assert.equal(isHidden(changed, 'change_values'), false);
  await submit('rules', 'modes', { on_bad_row: 'fail' });
  const { csv_delimiter, exclude, max_bad_rows, on_bad_row } = await stored('modes');
  assert.deepEqual(
    { csv_delimiter, exclude, max_bad_rows, on_bad_row },
    { csv_delimiter: null, exclude: ['**/*.bak', 'c/{d,e}'], max_bad_rows: 10_000, on_bad_row: 'fail' },
  );
});

test('the empty text and null are different in the form', async () => {
  await draft('quotes');
  await submit('pattern', 'quotes', { csv_quote: '(none)', csv_null: '(empty)' });
  const { csv_quote, csv_null, csv_escape } = await stored('quotes');
  assert.deepEqual({ csv_quote, csv_null, csv_escape }, { csv_quote: '', csv_null: '', csv_escape: null });
  const fields = fieldsOf(await page('quotes', 'pattern'));
  assert.deepEqual([fields.csv_quote, fields.csv_null, fields.csv_escape], ['(none)', '(empty)', '']);
});

test('the first rows are shown as they would land, with those that are refused', async () => {
  await draft('mixed', { target_table: 'keyless' });
  const text = await follow(await submit('pattern', 'mixed', {}));
  const rows = [...text.matchAll(/<tr[^>]*><th scope="row">(\d+)<\/th>(.*?)<\/tr>/gs)].map(
    ([, line, cells]) =>
      `${line} ${cells!
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()}`,
  );
  assert.deepEqual(
    rows.map((row) => row.replace(/(column \w+): .*/, '$1')),
    ['2 1 x', '3 column n', rows[2]!, '5 4 z'],
  );
  assert.match(rows[2]!, /^4 .* 3$/);
});

test('an existing table is offered, and its columns stand next to those of the file', async () => {
  await draft('side', { pattern: 'air/*', target_table: 'new_table' });
  await submit('pattern', 'side', {});
  const fresh = await page('side', 'columns');
  shows(fresh, /<datalist id="f-target_table-list">.*<option value="keyed" label="5 columns">/s);
  shows(fresh, /The table does not exist yet/);
  shows(fresh, /list="types"[^>]* aria-label="Type of pm25"/);
  shows(fresh, /<datalist id="types">.*<option value="timestamptz">/s);
  shows(fresh, /name="column\.1\.key" value="true" aria-label="site is part of the primary key"/);

  const keyed = (await submit('columns', 'side', { target_table: 'keyed' }, 'look')).text;
  shows(
    keyed,
    /aria-label="Column for pm25">.*<option value="pm25" selected>pm25 \(numeric\(6,2\)\)<\/option>/s,
  );
  shows(keyed, /Keys of the table: <code>\(time\)<\/code>/);
  shows(keyed, /<code>added<\/code> <span class="note">timestamptz, gets its default/);
  shows(keyed, /<code>of whom<\/code> <span class="note">text, <strong class="trouble">must not be null/);
  assert.ok(!keyed.includes('aria-label="Type of pm25"'));
  const keyless = (await submit('columns', 'side', { target_table: 'keyless' }, 'look')).text;
  shows(
    keyless,
    /class="trouble">The table lacks <code>time<\/code>, <code>site<\/code>, <code>pm25<\/code>\. Files with it fail/,
  );
});

test('columns with which an import would fail keep their step', async () => {
  await db.query('create table narrow (time timestamptz, site text)');
  await draft('stays', { pattern: 'air/*', target_table: 'narrow' });
  await submit('pattern', 'stays', {});
  const text = await follow(await submit('columns', 'stays', {}));
  shows(text, /<h2 id="step-title">3\. Columns/);
  assert.match(verdict(text), /^bad: Failed an import would fail: .*lacks/);
  shows(await follow(await submit('columns', 'stays', { on_unknown_column: 'add' })), /4\. Rules/);
});

test('hypertable and columnstore are offered only where TimescaleDB is installed', async () => {
  const without = await page('side', 'columns');
  for (const column of ['hypertable', 'columnstore', 'chunk_interval', 'time_column'])
    assert.ok(!controls(without).has(column), column);
  shows(without, /TimescaleDB is not installed/);
  await withTimescaledb(async () => {
    const text = await page('side', 'columns');
    for (const column of ['hypertable', 'columnstore', 'chunk_interval'])
      assert.ok(controls(text).has(column), column);
    shows(field(text, 'time_column'), /the suggested one \(time\).*<option value="site">/s);
    assert.ok(isHidden(text, 'segment_by'));
    const chosen = (await submit('columns', 'side', { columnstore: 'true' }, 'look')).text;
    assert.equal(isHidden(chosen, 'segment_by'), false);
    const existing = (await submit('columns', 'side', { target_table: 'keyed' }, 'look')).text;
    assert.ok(isHidden(existing, 'hypertable') && isHidden(existing, 'time_column'));
  });
});

test('to skip or update rows, the table must have a key: the form refuses, and not file after file', async () => {
  const skip = { on_conflict: 'skip' };
  const refused = await submit('rules', 'side', skip);
  assert.equal(refused.status, 422);
  shows(field(refused.text, 'on_conflict'), /the new table new_table needs a primary key\..*step 3/s);
  assert.match(/<select id="f-on_conflict"[^>]*>/.exec(refused.text)![0], /aria-invalid="true" autofocus/);
  assert.equal((await stored('side')).on_conflict, 'fail');

  // A key is chosen, with a type; then it is accepted.
  await submit('columns', 'side', {
    'column.0.key': 'true',
    'column.1.key': 'true',
    'column.2.type': 'numeric(5,1)',
  });
  assert.deepEqual((await stored('side')).primary_key, ['time', 'site']);
  assert.equal(fieldsOf(await page('side', 'columns'))['column.1.key'], 'true');
  assert.equal((await submit('rules', 'side', skip)).status, 303);
  assert.equal((await stored('side')).on_conflict, 'skip');

  const moved = (await submit('columns', 'side', { target_table: 'keyless' })).text;
  shows(
    field(moved, 'target_table'),
    /keyless needs a primary key or a unique index, and has none\..*alter table keyless add primary key/s,
  );
  assert.equal((await stored('side')).target_table, 'new_table');
  const changes = (await submit('rules', 'mixed', { change_column: 'note', change_values: 'dms' })).text;
  shows(field(changes, 'change_column'), /keyless has no primary key/);
});

test('two columns for one place, and a type that does not exist, are errors at their rows', async () => {
  const double = (await submit('columns', 'side', { 'column.1.target': 'time' })).text;
  assert.match(
    /<input name="column\.1\.target"[^>]*>/.exec(double)![0],
    /aria-describedby="f-column\.1\.target-error" aria-invalid="true" autofocus/,
  );
  shows(double, /time goes into time already/);
  const untyped = (await submit('columns', 'side', { 'column.2.type': 'nummeric' })).text;
  assert.match(/<input name="column\.2\.type"[^>]*>/.exec(untyped)![0], /aria-invalid="true"/);
  shows(untyped, /id="f-column\.2\.type-error">data_type must be a PostgreSQL type/);
});

test('the schedule is a choice or cron, with the next three polls', async () => {
  const runs = (html: string) => {
    const list = /id="next-runs".*?<\/div>/s.exec(html)![0];
    return [...list.matchAll(/datetime="([^"]+)"/g)].map(([, at]) => new Date(at!));
  };
  const choice = 'schedule.choice';
  const hourly = runs((await submit('rules', 'side', { [choice]: 'hour' }, 'look')).text);
  assert.deepEqual(
    hourly.map((at) => at.getTime() - hourly[0]!.getTime()),
    [0, 3_600_000, 7_200_000],
  );
  const own = { [choice]: 'cron', 'schedule.cron': '30 4 1 * *' };
  const monthly = runs((await submit('rules', 'side', own, 'look')).text);
  assert.deepEqual(
    monthly.map((at) => at.toISOString().slice(7)),
    ['-01T04:30:00.000Z', '-01T04:30:00.000Z', '-01T04:30:00.000Z'],
  );
  await submit('rules', 'side', own);
  assert.equal((await stored('side')).schedule, '30 4 1 * *');
  const wrong = (await submit('rules', 'side', { 'schedule.cron': '61 * * * *' })).text;
  assert.match(/<input id="f-schedule-cron"[^>]*>/.exec(wrong)![0], /aria-invalid="true"/);
  shows(wrong, /id="f-schedule-error">schedule must be minute, hour/);
  await submit('rules', 'side', { [choice]: 'minute' });
  assert.equal((await stored('side')).schedule, 'minute');
});

test('the last step says what will happen, and Start waits for a good answer', async () => {
  await draft('begin', { pattern: 'air/*', target_table: 'begun' });
  const start = (fields: Record<string, string> = {}) => send('start', 'begin', fields, 'start');
  const untried = await page('begin', 'start');
  shows(untried, /Not tried yet/);
  shows(untried, /<button name="then" value="start" disabled>Start<\/button>/);
  shows(await follow(await start()), /nothing was started: the settings have not been tried/);

  const tried = await follow(await submit('rules', 'begin', {}));
  assert.equal(verdict(tried), 'good: Done all 9 checks passed; air/1.csv would import 2 rows, 0 rejected');
  shows(tried, /<button class="primary" name="then" value="start">Start<\/button>/);
  shows(tried, /into the new table <code>begun<\/code>/);
  assert.deepEqual(await db.query("select to_regclass('begun') as made"), [{ made: null }]);
  const { preflight } = fieldsOf(tried);

  await db.query("update s3_connector.connectors set max_attempts = 3 where name = 'begin'");
  shows(await follow(await start({ preflight: preflight! })), /or have changed since/);
  assert.equal((await stored('begin')).state, 'draft');
  const again = await follow(await send('start', 'begin', {}, 'try'));
  await follow(await start({ preflight: fieldsOf(again).preflight! }));
  assert.equal((await stored('begin')).state, 'running');
  assert.equal((await world.settled('begin'))[0]!.rows_imported, 2);

  // Later changes are tried with a file that is not imported yet: others would conflict with their own rows.
  await db.query("select s3_connector.pause('begin')");
  assert.match(
    verdict(await follow(await send('start', 'begin', {}, 'try'))),
    /^warn: .*no file waits, so none was tried/,
  );
});

test('a bad preflight is red, and Start stays closed', async () => {
  const tried = await follow(await send('start', 'mixed', {}, 'try'));
  assert.match(verdict(tried), /^bad: Failed .*mixed\/1\.csv would fail: .*line 3/);
  shows(tried, /value="start" disabled/);
  const kept = await follow(await submit('rules', 'mixed', { on_bad_row: 'skip' }));
  assert.match(verdict(kept), /^warn: Look at this .*mixed\/1\.csv would import 2 rows, 2 rejected$/);
  shows(kept, /<button class="primary" name="then" value="start">/);
});

test('without the right to configure, nobody saves a step', async () => {
  const role = await db.createRole();
  await db.query(`grant s3_connector_operator to ${role.name}`);
  const url = new URL(db.url);
  url.username = role.name;
  url.password = role.password;
  const operators = await openConsole(url.href);
  const token = formTokenIn((await getPage(operators, '/connector?name=begin')).text);
  const { status, text } = await sendForm(operators, '/setup', { token, step: 'rules', draft: 'mixed' });
  assert.equal(status, 403);
  shows(text, /may not configure connectors/);
});
