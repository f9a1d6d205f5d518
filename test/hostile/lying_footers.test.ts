import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Extent } from '../../src/formats/parquet/protocol.ts';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { Pool } from '../../src/formats/pool.ts';
import { BEFORE_TAIL, parquetOf } from '../support/parquet.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import {
  CHUNK,
  change64,
  chunksOf,
  FILE,
  GROUP,
  listAt,
  pageHeader,
  type ThriftStruct,
  withFooter,
} from './footer.ts';

// A large Parquet file is read during its fetch, by the row groups in its footer. With any footer, the import must have the
// rows of a read of the whole file, or none.

const world = await openWorld();
const { db, server } = world;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker();
});

/** So that a row range is read before the end has arrived. */
const GROUPS = 12;
const GROUP_ROWS = 2048;
/** Bytes of the first groups, enough for a row range. */
const STALL_AFTER = 20_000_000;
const ROWS = GROUPS * GROUP_ROWS;
/** A text of 1 KB and two numbers a row, uncompressed: 2 MB a group. */
const FILE_OF_GROUPS = await parquetOf(
  `select i + 1 as id, repeat(md5(i::varchar), 32) as t, i + 2 as c from range(${ROWS}) r(i)`,
  `, row_group_size ${GROUP_ROWS}, codec uncompressed, dictionary_size_limit 1`,
);

type Change = (footer: ThriftStruct, groups: ThriftStruct[]) => void;

const everyChunk =
  (field: number, change: (value: bigint, group: number) => bigint): Change =>
  (_, groups) => {
    for (const [i, group] of groups.entries())
      for (const chunk of chunksOf(group)) change64(chunk, field, (value) => change(value, i));
  };

const groupRows =
  (change: (rows: bigint, group: number) => bigint): Change =>
  (_, groups) => {
    for (const [i, group] of groups.entries()) change64(group, GROUP.rows, (rows) => change(rows, i));
  };

const FOOTERS: Record<string, Change> = {
  'all true': () => {},
  'groups in the opposite order': (_, groups) => groups.reverse(),
  'first and last group changed places': (_, groups) => groups.unshift(groups.pop()!),
  'the same group over and over': (_, groups) => groups.fill(groups.at(-1)!, 1),
  'sizes of 0': everyChunk(CHUNK.compressedBytes, () => 0n),
  'sizes of 1': everyChunk(CHUNK.compressedBytes, () => 1n),
  'negative sizes': everyChunk(CHUNK.compressedBytes, () => -1_000_000n),
  'huge sizes': everyChunk(CHUNK.compressedBytes, () => 2n ** 62n),
  'sizes that reach over the next groups': everyChunk(CHUNK.compressedBytes, (bytes) => bytes * 3n),
  'offsets of 0': everyChunk(CHUNK.dataOffset, () => 0n),
  'negative offsets': everyChunk(CHUNK.dataOffset, (offset) => -offset),
  'huge offsets': everyChunk(CHUNK.dataOffset, (offset) => offset + 2n ** 61n),
  'data said to lie early, read by a dictionary that lies late': (_, groups) => {
    const late = chunksOf(groups.at(-1)!).map((chunk) => chunk.get(CHUNK.dataOffset)!.value as bigint);
    for (const [column, chunk] of chunksOf(groups[0]!).entries())
      change64(chunk, CHUNK.dictionaryOffset, () => late[column]!);
  },
  'small sizes, and the pages at the end': (_, groups) => {
    const late = chunksOf(groups.at(-1)!).map((chunk) => chunk.get(CHUNK.dataOffset)!.value as bigint);
    for (const group of groups.slice(0, 5))
      for (const [column, chunk] of chunksOf(group).entries()) {
        change64(chunk, CHUNK.dataOffset, () => late[column]!);
        change64(chunk, CHUNK.compressedBytes, () => -late[column]!);
      }
  },
  'more rows in the file than in its groups': (footer) => change64(footer, FILE.rows, (rows) => rows * 2n),
  'fewer rows in the file than in its groups': (footer) => change64(footer, FILE.rows, () => 5n),
  'no rows in the file': (footer) => change64(footer, FILE.rows, () => 0n),
  'negative rows in the file': (footer) => change64(footer, FILE.rows, () => -1n),
  'fewer rows in groups': groupRows((rows, i) => (i < 3 ? rows - 1000n : rows)),
  'fewer rows in groups, and in the file': (footer, groups) => {
    groupRows((rows, i) => (i < 3 ? rows - 1000n : rows))(footer, groups);
    change64(footer, FILE.rows, (rows) => rows - 3000n);
  },
  'more rows in groups, and in the file': (footer, groups) => {
    groupRows((rows, i) => (i < 5 ? rows * 2n : rows))(footer, groups);
    change64(footer, FILE.rows, (rows) => rows + 5n * BigInt(GROUP_ROWS));
  },
  'groups without rows': groupRows((rows, i) => (i % 2 === 0 ? 0n : rows)),
  'negative rows in a group': groupRows((rows, i) => (i === 1 ? -rows : rows)),
  'huge rows in a group': groupRows((rows, i) => (i === 1 ? 2n ** 62n : rows)),
  'rows of groups that add up to none': groupRows((rows, i) => (i % 2 === 0 ? rows : -rows)),
  'more values in chunks': everyChunk(CHUNK.values, (values) => values * 2n),
  'fewer values in chunks': everyChunk(CHUNK.values, () => 1n),
  'a group without columns': (_, groups) => listAt(groups[1]!, GROUP.columns).splice(0),
  'a group with fewer columns': (_, groups) => listAt(groups[1]!, GROUP.columns).splice(2),
  'a group with more columns': (_, groups) =>
    listAt(groups[1]!, GROUP.columns).push(...listAt(groups[2]!, GROUP.columns)),
  'no groups': (_, groups) => groups.splice(0),
};

function* bodies(): Generator<[name: string, body: Buffer]> {
  for (const [name, change] of Object.entries(FOOTERS))
    yield [name, withFooter(FILE_OF_GROUPS, (footer) => change(footer, listAt(footer, FILE.groups)))];
  yield ['a page that says that the next one lies at the end', withLongPage()];
}

/** An empty page before the numbers of the first group, as large as the distance to those of the last group. */
function withLongPage(): Buffer {
  const body = Buffer.from(FILE_OF_GROUPS);
  const [first, last] = [offsetOf(0), offsetOf(GROUPS - 1)];
  const headerBytes = pageHeader(0, 1 << 24).length;
  pageHeader(0, last - first - headerBytes).copy(body, first);
  return body;
}

/** The offset of the column id's pages in a row group. */
function offsetOf(group: number): number {
  let offset = 0;
  withFooter(FILE_OF_GROUPS, (footer) => {
    const [id] = chunksOf(listAt(footer, FILE.groups)[group]!);
    offset = Number(id!.get(CHUNK.dataOffset)!.value);
  });
  return offset;
}

/** The number of rows of a table or a file, and their sum. */
const SUMS = "count(*), sum(id::numeric), sum(c::numeric), sum(('x' || left(md5(t), 8))::bit(32)::bigint)";
const DUCKDB_SUMS = "count(*), sum(id::hugeint), sum(c::hugeint), sum(('0x' || left(md5(t), 8))::bigint)";

const readers = new Pool(
  () => new Reader(world.spoolDir, { memory: '192MB', threads: 1, stallMs: 60_000 }),
  1,
);
after(() => readers.close());

/** DuckDB's result for the whole file, in a separate process; null if it cannot read it. */
async function wholeRead(body: Buffer): Promise<string | null> {
  const path = join(world.spoolDir, 'whole.parquet');
  await writeFile(path, body);
  const reader = await readers.acquire(AbortSignal.timeout(60_000));
  try {
    const [text] = await reader.look(
      `select concat_ws(' ', ${DUCKDB_SUMS})::varchar from read_parquet('${path}')`,
      undefined,
    );
    return text!;
  } catch {
    return null;
  } finally {
    readers.release(reader);
    await rm(path);
  }
}

/** Waits until rows of the file are copied, or its import has ended. Returns whether they are copied. */
async function untilBegun(key: string): Promise<boolean> {
  const [row] = await db.waitFor<{ copies: boolean; ended: boolean }>(
    `select f.status not in ('in_queue', 'running') as ended,
        exists (select from pg_stat_progress_copy where relid = 'lies'::regclass and bytes_processed > 0) as copies
      from s3_connector.files f where f.connector_name = 'lies' and f.key = $1`,
    ([file]) => file !== undefined && (file.ended || file.copies),
    { values: [key] },
  );
  return row!.copies;
}

test('with false positions in the footer, the import has only the rows of the whole file', async (t) => {
  await db.query('create table lies (id bigint, t text, c bigint, file_id bigint)');
  await world.insertConnector({
    name: 'lies',
    pattern: 'lies/*',
    target_table: 'lies',
    file_format: 'parquet',
    file_id_column: 'file_id',
    max_attempts: 1,
  });
  const report: string[] = [];
  let readAhead = 0;
  for (const [name, body] of bodies()) {
    const key = `lies/${String(report.length).padStart(3, '0')}`;
    // The end comes first, then the bytes of the first row range, and the rest when those are read.
    const stalled = server.faults.order({
      operation: 'GetObject',
      key,
      range: BEFORE_TAIL,
      stall: { after: STALL_AFTER },
    });
    world.put(key, body);
    await db.query("select s3_connector.poll_now('lies')");
    const [expected, isAhead] = await Promise.all([wholeRead(body), untilBegun(key)]);
    if (isAhead) readAhead++;
    stalled.release();
    const file = (await world.settled('lies')).at(-1)!;
    const { landed } = await db.one<{ landed: string }>(
      `select concat_ws(' ', ${SUMS}) as landed from lies
        where file_id = (select id from s3_connector.files where connector_name = 'lies' and key = $1)`,
      [key],
    );
    report.push(`${name}: ${file.status === 'success' ? landed.split(' ')[0] : file.error_message}`);
    assert.equal(file.key, key);
    if (file.status === 'success') assert.equal(landed, expected, name);
    else
      assert.deepEqual(
        [file.error_code, landed.split(' ')[0]],
        ['bad_parquet', '0'],
        `${name}: ${file.error_message}`,
      );
    server.store.delete(world.bucket, key);
    server.faults.clear();
    // So that no import's rows are searched for among those of all others.
    await db.query('truncate lies');
  }
  t.diagnostic(report.join('\n'));
  t.diagnostic(`${worker.lines.filter(({ event }) => event === 'imported again').length} read too early`);
  assert.ok(readAhead > 0, 'no file was read while it was fetched');
});

test('data that is read before the file has arrived is checked against the bytes that were present', async () => {
  const group = GROUPS - 2;
  const available = offsetOf(group) + 1000;
  const hole = Buffer.from(FILE_OF_GROUPS).fill(0, available, offsetOf(GROUPS - 1));
  const path = join(world.spoolDir, 'hole.parquet');
  await writeFile(path, hole);
  const idsOf = async (wanted: number, extent: Extent | null) => {
    const rows = `file_row_number >= ${wanted * GROUP_ROWS} and file_row_number < ${(wanted + 1) * GROUP_ROWS}`;
    const query = `select encode(id || chr(10)), file_row_number from (from read_parquet('${path}', file_row_number = true) where ${rows})`;
    const expected = { first: wanted * GROUP_ROWS, count: GROUP_ROWS, numbers: 'in order' } as const;
    const reader = await readers.acquire(AbortSignal.timeout(60_000));
    try {
      const pieces = await Array.fromAsync(
        reader.read({ type: 'read', query, rows: expected, maxRowBytes: 1000, maxRows: null, extent }),
      );
      return Buffer.concat(pieces).toString().trim().split('\n');
    } finally {
      readers.release(reader);
    }
  };
  const extent = { available, tailFrom: offsetOf(GROUPS - 1) };
  assert.ok((await idsOf(group, null)).includes('0'), 'zeros pass for values');
  await assert.rejects(idsOf(group, extent), { code: 'read_too_early' });
  const before = await idsOf(group - 1, extent);
  assert.deepEqual([before.length, before[0]], [GROUP_ROWS, String((group - 1) * GROUP_ROWS + 1)]);
  await rm(path);
});
