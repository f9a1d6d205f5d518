import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { ofParquet } from '../../src/formats/parquet/transform.ts';
import { BEFORE_TAIL, parquetOf } from '../support/parquet.ts';
import { writeParquet } from '../support/parquet_writer.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const insert = (name: string, transform: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/**`,
    file_format: 'parquet',
    target_table: name,
    max_attempts: 1,
    transform,
    ...columns,
  });

async function importOne(
  name: string,
  query: string,
  transform: string,
  columns: Record<string, unknown> = {},
) {
  world.put(`${name}/region=eu/1.parquet`, await parquetOf(query));
  await insert(name, transform, columns);
  return (await world.settled(name))[0]!;
}

test("a transform's rows and columns replace the file's, and a table is created from them", async () => {
  const file = await importOne(
    'made',
    "select i as n, {'a': i, 'b': 'x' || i} as s, '2026-01-01'::timestamp + i * interval 1 hour as ts from range(10) r(i)",
    `with big as (select * from file where n >= 5) -- the rest is noise
     select ts as "time", s.b as label, n * 2 as twice, count(*) over () as total from big;`,
    { hive_columns: ['region'], file_id_column: 'file_id' },
  );
  assert.deepEqual([file.status, file.rows_imported], ['success', 5], file.error_message ?? '');
  assert.deepEqual(
    await db.query(
      'select "time"::text, label, twice, total, region, file_id is not null as id from made order by 1 limit 2',
    ),
    [
      { time: '2026-01-01 05:00:00', label: 'x5', twice: 10, total: 5, region: 'eu', id: true },
      { time: '2026-01-01 06:00:00', label: 'x6', twice: 12, total: 5, region: 'eu', id: true },
    ],
  );
});

test('preview shows the columns of a transform', async () => {
  world.put('shown/1.parquet', await parquetOf('select 1::integer as n'));
  await insert('shown', "select n, 'x' as label, null::date as none -- a comment at the end\nfrom file --", {
    state: 'paused',
  });
  await db.query("call s3_connector.preview('shown')");
  assert.deepEqual(
    await db.query(
      "select source_column, inferred_type, nullable, target_column from s3_connector.preview_columns where connector_name = 'shown' order by position",
    ),
    [
      { source_column: 'n', inferred_type: 'integer', nullable: false, target_column: 'n' },
      { source_column: 'label', inferred_type: 'text', nullable: false, target_column: 'label' },
      { source_column: 'none', inferred_type: 'date', nullable: true, target_column: 'none' },
    ],
  );
});

test('bad rows of a transform are counted by its rows, and left out where the connector says so', async () => {
  await db.query('create table checked (n integer check (n <> 7), label text)');
  const query = "select i as n, 'l' || i as label from range(10) r(i)";
  const file = await importOne('checked', query, 'select n + 1 as n, label from file where n > 2', {
    on_bad_row: 'skip',
  });
  assert.deepEqual([file.status, file.rows_imported], ['success', 6], file.error_message ?? '');
  assert.deepEqual(await db.query('select line, raw from s3_connector.rejected_rows'), [
    { line: 4, raw: '7\tl6' },
  ]);
  const failed = await importOne('strict', query, 'select n + 1 as n, label from file where n > 2', {
    target_table: 'checked',
  });
  assert.equal(failed.error_code, 'check_violated');
  const nul = await importOne(
    'nul',
    "select 1 as n, 'a' as label union all select 2, 'b' || chr(0)",
    'from file',
    {
      target_table: 'checked',
    },
  );
  assert.deepEqual([nul.error_code, /row 2, column label/.test(nul.error_message!)], ['nul_character', true]);
});

test('a transform waits for the whole file', async () => {
  const body = await parquetOf(
    'select i::integer as n, md5(i::varchar) as filler from range(600000) r(i)',
    ', row_group_size 61440',
  );
  world.put('whole/1.parquet', body);
  const stall = server.faults.order({
    operation: 'GetObject',
    key: 'whole/1.parquet',
    range: BEFORE_TAIL,
    stall: { after: Math.floor(body.length * 0.9) },
  });
  await insert('whole', 'select max(n) as last, count(*) as rows from file');
  await stall.hit();
  stall.release();
  const [file] = await world.settled('whole');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', 1], file!.error_message ?? '');
  assert.deepEqual(await db.query('select last, rows from whole'), [{ last: 599_999, rows: 600_000 }]);
});

test('a transform that cannot run fails the file, with what to do', async () => {
  const cases: Record<string, [transform: string, says: RegExp]> = {
    unknown: ['select colour from file', /"colour" not found/],
    syntax: ['select n frm file where', /syntax error/i],
    several: ['select 1 as n; select 2 as n', /expected one statement, got 2/],
    writes: ['with x as (select 1) insert into t from x', /Only SELECT statements/],
    broken_out: ['select 1 as n) union all (select 2 as n', /syntax error/i],
    at_a_row: ["select cast(n || 'x' as integer) as n from file", /Could not convert string '0x' to INT32/],
    raises: ["select case when n = 1 then error('no ones') else n end as n from file", /no ones/],
  };
  for (const [name, [transform]] of Object.entries(cases)) {
    world.put(`odd_${name}/1.parquet`, await parquetOf('select i as n from range(3) r(i)'));
    await insert(`odd_${name}`, transform, { target_table: 'odd' });
  }
  for (const [name, [, says]] of Object.entries(cases)) {
    const [file] = await world.settled(`odd_${name}`);
    assert.deepEqual(
      [file!.status, file!.error_code],
      ['failure', 'transform_failed'],
      `${name}: ${file!.error_message}`,
    );
    assert.match(file!.error_message!, says);
    assert.match(file!.error_message!, /the transform cannot be run: .*test it with dry_run_file/s);
    assert.ok(!file!.error_message!.includes(world.spoolDir), file!.error_message!);
  }
  world.put('odd_file/1.parquet', 'no Parquet');
  await insert('odd_file', 'from file', { target_table: 'odd' });
  assert.equal((await world.settled('odd_file'))[0]!.error_code, 'bad_parquet');
});

test('a transform can read its own file and nothing else of the machine', async () => {
  const directory = await mkdtemp(join(tmpdir(), 's3-connector-test-'));
  const own = join(directory, 'own.parquet');
  const other = join(directory, 'other.parquet');
  await writeFile(own, await parquetOf("select 'own' as v"));
  await writeFile(other, await parquetOf("select 'other' as v"));
  await writeFile(join(directory, 'other.csv'), 'v\nother\n');
  const reader = new Reader(directory, { memory: '192MB', threads: 1, stallMs: 60_000 });
  after(async () => {
    await reader.kill();
    await rm(directory, { recursive: true });
  });
  // A reader that has described another file before, as a worker's has.
  await reader.describe(other, null);
  assert.deepEqual(
    (await reader.describe(own, ofParquet(own, 'from file'))).columns.map(({ name }) => name),
    ['v'],
  );
  const refused = [
    `from read_parquet('${own}')`,
    `from read_parquet('${other}')`,
    `select * from '${other}'`,
    `from read_parquet('${directory}/*.parquet')`,
    `from read_parquet(['${own}', '${other}'])`,
    `from read_parquet('${own}/../other.parquet')`,
    `from parquet_metadata('${other}')`,
    `from read_csv('${directory}/other.csv')`,
    `from read_text('${directory}/other.csv')`,
    `from read_blob('${other}')`,
    `from glob('${directory}/*')`,
    "from read_text('/etc/passwd')",
    "from read_text('/proc/self/environ')",
    "from 'https://example.com/x.parquet'",
    "from query('copy (select 1) to ''/tmp/x''')",
    "select getenv('PATH')",
    `attach '${directory}/x.db' as x`,
    `copy (select 1) to '${directory}/x.csv'`,
    'install httpfs',
    'load httpfs',
    'set enable_external_access = true',
    'select 1; set threads = 9',
  ];
  for (const transform of refused) {
    await assert.rejects(
      reader.describe(own, ofParquet(own, transform)),
      { code: 'transform_failed' },
      transform,
    );
  }
  assert.deepEqual(
    (await reader.describe(other, null)).columns.map(({ name }) => name),
    ['v'],
  );
});

test('a transform has no columns that cannot be read without loss', async () => {
  const longDecimals = writeParquet({
    type: 'FIXED_LEN_BYTE_ARRAY',
    typeLength: 17,
    convertedType: 5,
    scale: 0,
    precision: 40,
    values: [Buffer.alloc(17, 1)],
  });
  world.put('lossy/1.parquet', longDecimals);
  await insert('lossy', 'select v from file');
  assert.equal((await world.settled('lossy'))[0]!.error_code, 'transform_failed');
});
