import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { before, test } from 'node:test';
import pg from 'pg';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// Names and values with a meaning for a shell, a file system, a CSV, or SQL. Each is stored unchanged or refused with
// a message; none is executed or becomes a path.

const world = await openWorld();
const { db } = world;
before(async () => {
  await db.query('create table canary (alive boolean)');
  await world.startWorker();
});

const SQL = [
  "'; drop table canary; --",
  '"; drop table canary; --',
  '$$; drop table canary; $$',
  "\\'; drop table canary; --",
  "E'\\x27; drop table canary",
  '{process.exit()}',
  '$(touch /tmp/owned)',
  '`touch /tmp/owned`',
  '%s %n %L',
  "copy canary from program 'touch /tmp/owned'",
  '=cmd|"/c calc"!A1',
  '{{7*7}}',
  '__proto__',
  'constructor',
];
/** One character of each plane that has letters, boundary values, and characters that reverse or hide text. */
const UNICODE = [
  'é',
  '\u0301',
  '\ufeff',
  '\u202e',
  '\u200d',
  '\uffff',
  '\u{10000}',
  '\u{1f600}',
  '\u{20000}',
  '\u{30000}',
  '\u{e0001}',
  '\u{f0000}',
  '\u{10ffff}',
];
const PATHS = [
  '../../escaped',
  '/etc/passwd',
  '..',
  '.',
  'a/../../b',
  '~/x',
  'C:\\x',
  '//host/x',
  'a//b',
  ' ',
  'nul\\0',
];
const CONTROLS = ['new\nline', 'carriage\rreturn', 'tab\tbed', 'bell\x07', 'escape\x1b[2J', '\x7f'];
const NAMES = [...SQL, ...UNICODE, ...PATHS, ...CONTROLS];

async function assertUnharmed(): Promise<void> {
  assert.deepEqual(await db.query('select * from canary'), []);
  await world.spoolEmptied();
  assert.ok(!(await readdir('/tmp')).includes('owned'));
  assert.ok(!(await readdir(dirname(world.spoolDir))).some((name) => name.startsWith('escaped')));
}

test('keys of every kind work, also at the maximum length in S3', async () => {
  await db.query('create table keyed (n bigint, file_id bigint)');
  const long = (unit: string) => unit.repeat(Math.floor((1024 - 'keys/'.length) / Buffer.byteLength(unit)));
  const keys = [...NAMES, long('x'), `${long('../')}x`, long('\u{1f600}'), long("'")].map(
    (name) => `keys/${name}`,
  );
  for (const key of keys) world.put(key, 'n\n1\n');
  await world.insertConnector({
    name: 'keys',
    pattern: 'keys/**',
    include_hidden: true,
    target_table: 'keyed',
    file_id_column: 'file_id',
  });
  const files = await world.settled('keys');
  // In S3's order, and all different.
  const expected = [...new Set(keys)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(files.map(({ key }) => key).sort(), [...expected].sort());
  assert.deepEqual([...new Set(files.map(({ status }) => status))], ['success']);
  assert.deepEqual(
    await db.one('select count(*)::int as n, count(distinct file_id)::int as files from keyed'),
    {
      n: expected.length,
      files: expected.length,
    },
  );
  // Every function that takes a key accepts each of them.
  for (const key of expected) {
    await db.query("select s3_connector.undo_file('keys', $1)", [key]);
    await db.query("select s3_connector.reimport_file('keys', $1)", [key]);
  }
  assert.deepEqual([...new Set((await world.settled('keys')).map(({ status }) => status))], ['success']);
  assert.deepEqual(await db.one('select count(*)::int as n from keyed'), { n: expected.length });
  await assertUnharmed();
});

test('names of connectors, tables, columns and mappings may have every kind of character', async () => {
  let made = 0;
  for (const name of NAMES) {
    const table = `t${made++} ${name}`;
    const folder = `named/${made}`;
    world.put(`${folder}/1.csv`, `n\n1\n`);
    const refusal = await world
      .insertConnector({
        name,
        pattern: `${folder}/*`,
        target_table: `public.${pg.escapeIdentifier(table)}`,
        file_id_column: `file ${name}`,
      })
      .then(
        () => null,
        (error: pg.DatabaseError) => error,
      );
    if (refusal) {
      assert.match(refusal.message, /^(name|file_id_column|target_table) must/, JSON.stringify(name));
      continue;
    }
    const [file] = await world.settled(name);
    assert.equal(file!.status, 'success', `${JSON.stringify(name)}: ${file!.error_message}`);
    assert.deepEqual(await db.query(`select n from ${pg.escapeIdentifier(table)}`), [{ n: 1 }]);
    await db.query('select s3_connector.pause($1)', [name]);
    await db.query('select s3_connector.drop_connector($1)', [name]);
  }
  await assertUnharmed();
});

test('columns of files, of created and of existing tables, and cells may have every kind of character', async () => {
  // A name that PostgreSQL would truncate is a separate case.
  const names = NAMES.filter((name) => name.trim() !== '');
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const csv = `${names.map(quoted).join(',')}\n${names.map(quoted).join(',')}\n`;
  const columns = names.map((name) => `${text(name)} as ${quoted(name)}`).join(', ');
  world.put('columns/csv/1', csv);
  world.put('columns/parquet/1', await parquetOf(`select ${columns}`));
  for (const file_format of ['csv', 'parquet']) {
    for (const on_bad_row of ['fail', 'skip']) {
      const name = `columns_${file_format}_${on_bad_row}`;
      await world.insertConnector({
        name,
        pattern: `columns/${file_format}/*`,
        file_format,
        target_table: name,
        on_bad_row,
        file_id_column: 'file_id',
      });
      const [file] = await world.settled(name);
      assert.equal(file!.status, 'success', `${name}: ${file!.error_message}`);
      const { file_id: _, ...row } = await db.one(`select * from ${name}`);
      assert.deepEqual(row, Object.fromEntries(names.map((value) => [value, value])), name);
    }
  }
  await assertUnharmed();
});

test('columns can be mapped from and to names with every kind of character', async () => {
  const names = NAMES.filter((name) => name.trim() !== '');
  await db.query(
    `create table mapped (${names.map((name, i) => `${pg.escapeIdentifier(`${i} ${name}`)} text`).join(', ')})`,
  );
  world.put(
    'mapped/1',
    `${names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',')}\n${names.map((_, i) => i).join(',')}\n`,
  );
  await world.insertConnector({
    name: 'mapped',
    pattern: 'mapped/*',
    target_table: 'mapped',
    state: 'paused',
  });
  for (const [i, name] of names.entries())
    await db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ($1, $2, $3)',
      ['mapped', name, `${i} ${name}`],
    );
  await assert.rejects(
    db.query(
      `insert into s3_connector.column_mappings values ('mapped', 'other', 'other', 'text); drop table canary; --')`,
    ),
    /data_type/,
  );
  await db.query("select s3_connector.resume('mapped')");
  const [file] = await world.pollAndSettle('mapped');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    Object.values(await db.one('select * from mapped')),
    names.map((_, i) => String(i)),
  );
  await assertUnharmed();
});

test('names that PostgreSQL cannot hold are refused, and messages about them stay short', async () => {
  const wide = Array.from({ length: 50_000 }, (_, i) => `a column with a long name ${i}`);
  await db.query('create table short (a text)');
  world.put('refused/1.csv', `a,${'x'.repeat(64)}\n1,2\n`);
  world.put('refused/2.csv', `${wide.join(',')}\n${wide.map(() => '1').join(',')}\n`);
  world.put('refused/3.csv', `a\n${'x'.repeat(2_000_000)}\n`);
  for (const [name, columns] of Object.entries({
    refused_there: { target_table: 'short' },
    refused_made: { target_table: 'made' },
    refused_int: { target_table: 'numbers' },
  })) {
    if (columns.target_table === 'numbers') await db.query('create table numbers (a integer)');
    await world.insertConnector({ name, pattern: 'refused/*', ...columns });
    for (const file of await world.settled(name)) {
      if (file.key === 'refused/3.csv' && name !== 'refused_int') continue;
      // A new table gets the cut name.
      if (file.key === 'refused/1.csv' && name === 'refused_made') continue;
      const said = `${name} ${file.key}: ${file.error_code} ${file.error_message?.slice(0, 300)}`;
      assert.equal(file.status, 'failure', said);
      assert.notEqual(file.error_code, 'unexpected', said);
      assert.ok(file.error_message!.length <= 10_000, `${said} ... ${file.error_message!.length}`);
    }
  }
  await assertUnharmed();
});

const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
