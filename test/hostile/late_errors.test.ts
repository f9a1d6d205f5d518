import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { ofParquet, ROW_NUMBER, transformed, withEndRow } from '../../src/formats/parquet/transform.ts';
import { BEFORE_TAIL, parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import { CHUNK, chunksOf, FILE, listAt, withFooter } from './footer.ts';

// DuckDB's library ends a stream that fails after its first rows as it ends one that is complete
// (docs/duckdb_stream_errors.md). Such a file fails with the error, and none of its rows is kept.

const world = await openWorld();
const { db, server } = world;
// No larger reader: what one reader cannot hold is refused.
before(() => world.startWorker({ LARGE_READER_MEMORY_MB: '64' }));

const ROWS = 200_000;
const BAD_ROW = 150_000;
const GROUP_ROWS = 20_480;
const OPTIONS = `, row_group_size ${GROUP_ROWS}`;
/** A struct that goes into a column of type text makes the whole file go as text. */
const STRUCT = "{'a': i} as s";
const rowsWith = (columns: string) => `select i as id, ${columns} from range(${ROWS}) r(i)`;

interface Case {
  body: Buffer;
  columns: string;
  code: string;
  message: RegExp;
}

const CASES: Record<string, Case> = {
  damage: {
    body: withDamage(await parquetOf(rowsWith('md5(i::varchar) as t'), `${OPTIONS}, compression zstd`)),
    columns: 'id bigint, t text',
    code: 'bad_parquet',
    message: /cannot be read as Parquet: .* \(after row \d{5,6}\)/,
  },
  damage_text: {
    body: withDamage(await parquetOf(rowsWith('md5(i::varchar) as t'), `${OPTIONS}, compression zstd`)),
    columns: 'id numeric, t text',
    code: 'bad_parquet',
    message: /cannot be read as Parquet: .* \(after row \d{5,6}\)/,
  },
  nul: {
    body: await parquetOf(
      rowsWith(`${STRUCT}, case when i = ${BAD_ROW} then 'a' || chr(0) || 'b' else 'x' || i end as t`),
      OPTIONS,
    ),
    columns: 'id bigint, s text, t text',
    code: 'nul_character',
    message: /row 150001, column t: /,
  },
  nanoseconds: {
    body: await parquetOf(
      rowsWith(
        `${STRUCT}, make_timestamp_ns(1577836800000000000 + i * 1000 + (i = ${BAD_ROW})::integer) as t`,
      ),
      OPTIONS,
    ),
    columns: 'id bigint, s text, t timestamp',
    code: 'value_out_of_range',
    message: /row 150001, column t: the time has nanoseconds/,
  },
  memory: {
    // One page of the first row group's texts takes more memory than a reader may use.
    body: await parquetOf(
      "select i::integer as id, repeat('x', 1600) || i as t from range(100000) r(i)",
      ', compression zstd, parquet_version v2, row_group_size 122880, dictionary_size_limit 1',
    ),
    columns: 'id integer, t text',
    code: 'out_of_memory',
    message: /takes more memory than a reader has/,
  },
};

/** Overwrites the texts of the second last row group. */
function withDamage(body: Buffer): Buffer {
  const damaged = Buffer.from(body);
  withFooter(body, (footer) => {
    const texts = chunksOf(listAt(footer, FILE.groups).at(-2)!)[1]!;
    const offset = Number((texts.get(CHUNK.dictionaryOffset) ?? texts.get(CHUNK.dataOffset))!.value);
    for (let at = offset + 60; at < offset + 4000; at++) damaged[at] = damaged[at]! ^ 0xa5;
  });
  return damaged;
}

/** Imports a case's file once; returns its row and the number of imported rows. */
async function importCase(name: string, { body, columns }: Pick<Case, 'body' | 'columns'>, options = {}) {
  await db.query(`create table ${name} (${columns})`);
  world.put(`${name}/1.parquet`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    max_attempts: 1,
    ...options,
  });
  const [file] = await world.settled(name);
  const { landed } = await db.one<{ landed: number }>(`select count(*)::int as landed from ${name}`);
  return { file: file!, landed };
}

async function assertRefused(name: string, { code, message, ...file }: Case, options = {}) {
  const { file: failed, landed } = await importCase(name, file, options);
  assert.deepEqual(
    [failed.status, failed.error_code, landed],
    ['failure', code, 0],
    failed.error_message ?? `${failed.rows_imported} rows`,
  );
  assert.match(failed.error_message!, message);
}

for (const [name, file] of Object.entries(CASES)) {
  test(`an error late in a file fails it, and no row of it is kept: ${name}`, async () => {
    await assertRefused(name, file);
  });
}

test('with on_bad_row skip, a bad value late in a file is left out, and no later row is lost', async () => {
  for (const name of ['nul', 'nanoseconds']) {
    const { file, landed } = await importCase(`skip_${name}`, CASES[name]!, { on_bad_row: 'skip' });
    assert.deepEqual(
      [file.status, file.rows_read, file.rows_imported, file.rows_rejected, landed],
      ['success', ROWS, ROWS - 1, 1, ROWS - 1],
      file.error_message ?? '',
    );
    assert.deepEqual(
      await db.query('select line from s3_connector.rejected_rows where connector_name = $1', [
        `skip_${name}`,
      ]),
      [{ line: BAD_ROW + 1 }],
    );
  }
});

test('with on_bad_row skip, damage late in a file still fails it', async () => {
  for (const name of ['damage', 'damage_text', 'memory'])
    await assertRefused(`skip_${name}`, CASES[name]!, { on_bad_row: 'skip' });
});

test('an error late in the rows of a transform fails the file', async () => {
  const transform = 'select id, t from file where id >= 0';
  for (const name of ['damage', 'damage_text', 'memory']) {
    const { code, ...rest } = CASES[name]!;
    const expected =
      name === 'memory' ? { code } : { code: 'transform_failed', message: /\(after row \d+\)/ };
    await assertRefused(`transform_${name}`, { ...rest, ...expected } as Case, { transform });
  }
  await assertRefused(
    'transform_raises',
    {
      body: await parquetOf(rowsWith('1 as one')),
      columns: 'id bigint',
      code: 'transform_failed',
      message: /no such thing \(after row \d+\)/,
    },
    { transform: `select case when id = ${BAD_ROW} then error('no such thing') else id end as id from file` },
  );
});

test('a transform whose rows differ each time is read to its end', async () => {
  const { file, landed } = await importCase(
    'sampled',
    { body: await parquetOf(rowsWith('1 as one')), columns: 'id bigint' },
    { transform: 'select id from file where random() < 0.5' },
  );
  assert.deepEqual([file.status, file.rows_read], ['success', landed], file.error_message ?? '');
  assert.ok(landed > 0 && landed < ROWS);
});

test('no table is created from a transform that fails', async () => {
  world.put('made/1.parquet', CASES.damage!.body);
  await world.insertConnector({
    name: 'made',
    pattern: 'made/*',
    file_format: 'parquet',
    target_table: 'made',
    transform: 'select id, t from file',
    max_attempts: 1,
  });
  const [file] = await world.settled('made');
  assert.deepEqual(
    [file!.status, file!.error_code],
    ['failure', 'transform_failed'],
    file!.error_message ?? '',
  );
  assert.equal(
    (await db.one<{ made: string | null }>("select to_regclass('made')::text as made")).made,
    null,
  );
});

test('a dry run reports an error late in a file', async () => {
  await db.query('create table dry (id bigint, t text)');
  world.put('dry/1.parquet', CASES.damage!.body);
  await world.insertConnector({
    name: 'dry',
    pattern: 'dry/*',
    file_format: 'parquet',
    target_table: 'dry',
    state: 'paused',
  });
  const file = await db.one<{ error_code: string; error_message: string; rows_read: number | null }>(
    "call s3_connector.dry_run_file('dry', 'dry/1.parquet')",
  );
  assert.deepEqual([file.error_code, file.rows_read], ['bad_parquet', null], file.error_message);
});

test('an error late in a file that is read during its fetch fails the file', async () => {
  const body = withDamage(
    await parquetOf(
      rowsWith('md5(i::varchar) as t, md5((i + 1)::varchar) as u'),
      `${OPTIONS}, codec uncompressed, dictionary_size_limit 1`,
    ),
  );
  // Damage in a text only changes the text; a damaged length cannot be read.
  const key = 'ahead/1.parquet';
  server.faults.order({
    operation: 'GetObject',
    key,
    range: BEFORE_TAIL,
    stall: { after: 10_000_000, ms: 300 },
  });
  await assertRefused('ahead', {
    body,
    columns: 'id bigint, t text, u text',
    code: 'bad_parquet',
    message: /cannot be read as Parquet: /,
  });
  server.faults.clear();
});

test('a sorted transform ends with its last row', async () => {
  const path = join(world.spoolDir, 'sorted.parquet');
  await writeFile(path, await parquetOf('select (i * 7919) % 50000 as id from range(50000) r(i)'));
  const reader = new Reader(world.spoolDir, { memory: '192MB', threads: 1, stallMs: 60_000 });
  const ids = async (count: number | null, end: string) => {
    const rows = transformed(ofParquet(path, 'select id from file'), []);
    const pieces = await Array.fromAsync(
      reader.read({
        type: 'read',
        query: `select encode(id || chr(10)), ${ROW_NUMBER} from ${end === '' ? rows : withEndRow(rows, 1)}`,
        rows: { first: 0, count, numbers: 'in any order' },
        sorting: {
          source: rows,
          last: `${ROW_NUMBER} < 0`,
          keys: [{ column: 'id', dictionary: false, direction: 'desc nulls first' }],
        },
        maxRowBytes: 1000,
        maxRows: null,
        confinedTo: path,
      }),
    );
    return Buffer.concat(pieces).toString().trim().split('\n').map(Number);
  };
  try {
    const sorted = await ids(null, 'marked');
    assert.deepEqual([sorted.length, sorted[0], sorted.at(-1)], [50_000, 49_999, 0]);
    assert.ok(sorted.every((id, i) => i === 0 || id < sorted[i - 1]!));
    await assert.rejects(ids(null, ''), { code: 'rows_do_not_add_up' });
    await assert.rejects(ids(50_001, 'marked'), { code: 'rows_do_not_add_up' });
  } finally {
    await reader.kill();
    await rm(path);
  }
});

test("DuckDB's library does not distinguish an error in the middle of a stream from its end", async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const result = await connection.stream(
    `select repeat('x', 1000), case when i = ${BAD_ROW} then error('late') else i end from range(${ROWS}) r(i)`,
  );
  let rows = 0;
  let chunk = await result.fetchChunk();
  for (; chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) rows += chunk.rowCount;
  connection.closeSync();
  instance.closeSync();
  // When it throws, src/formats/parquet/row_stream.ts no longer has to look for the error, and docs/duckdb_stream_errors.md can go.
  assert.ok(rows > 0 && rows < BAD_ROW);
  assert.equal(chunk?.rowCount, 0);
});
