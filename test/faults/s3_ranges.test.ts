import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { BEFORE_TAIL, parquetOf, TAIL } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// A large object whose transfer breaks off: only the missing bytes are requested again.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());
beforeEach(() => {
  server.faults.clear();
  server.requests.reset();
});

const ROWS = 1_000_000;
/** The end of a Parquet file is fetched beside the rest, in a request of its own. */
const TAIL_BYTES = 1 << 20;
const parquet = await parquetOf(`select range::integer as n, random() as x from range(${ROWS})`);
const middle = parquet.length - TAIL_BYTES;
assert.ok(middle > 4 * TAIL_BYTES);
const csv = `n\n${Array.from({ length: 600_000 }, (_, n) => n).join('\n')}\n`;

type Range = { from: number; to: number } | undefined;

/** The requested ranges so far, their ends included as in HTTP; undefined: the whole object. */
function ranges(): Range[] {
  return server.requests.recent
    .filter(({ operation }) => operation === 'GetObject')
    .map(({ headers: { range } }) => {
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
      return range === undefined ? undefined : { from: Number(from), to: to ? Number(to) : Number.NaN };
    });
}

/** The requested ranges of a Parquet file's tail, and of what is before it. */
function partRanges(): { tail: Range[]; rest: Range[] } {
  const { tail = [], rest = [] } = Object.groupBy(ranges(), (range) =>
    range!.from < middle ? 'rest' : 'tail',
  );
  return { tail, rest };
}

async function insert(name: string, format: 'csv' | 'parquet', body: Buffer | string) {
  world.put(`${name}/1.${format}`, body);
  await db.query(`create table ${name} (n integer${format === 'csv' ? '' : ', x double precision'})`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: format,
    max_attempts: 2,
  });
}

async function landed(name: string, rows: number): Promise<void> {
  const [file] = await world.settled(name);
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  assert.deepEqual(await db.one(`select count(*), sum(n) from ${name}`), {
    count: rows,
    sum: (rows * (rows - 1)) / 2,
  });
}

/** An answer was cut after that many bytes, of which those still in the worker's buffers may be lost. */
function assertResumed(range: { from: number } | undefined, start: number, cut: number): void {
  assert.ok(range && range.from > start + cut / 2 && range.from <= start + cut, JSON.stringify(range));
}

test('a Parquet file is imported although its tail breaks off', async () => {
  const cut = 700_000;
  server.faults.order({ operation: 'GetObject', range: TAIL, cut });
  await insert('in_tail', 'parquet', parquet);
  await landed('in_tail', ROWS);
  const {
    tail: [tail, missing, ...more],
    rest,
  } = partRanges();
  assert.deepEqual([tail!.from, more], [middle, []]);
  assertResumed(missing, middle, cut);
  assert.deepEqual(rest, [{ from: 0, to: middle - 1 }]);
});

test('a Parquet file is imported although its middle breaks off, twice', async () => {
  const cut = 3_000_000;
  server.faults.order({ operation: 'GetObject', range: BEFORE_TAIL, cut, times: 2 });
  await insert('in_middle', 'parquet', parquet);
  await landed('in_middle', ROWS);
  const {
    tail,
    rest: [first, second, third, ...more],
  } = partRanges();
  assert.deepEqual([tail.map((range) => range!.from), more], [[middle], []]);
  assert.deepEqual(first, { from: 0, to: middle - 1 });
  assertResumed(second, 0, cut);
  assertResumed(third, second!.from, cut);
  assert.deepEqual([second!.to, third!.to], [middle - 1, middle - 1]);
});

for (const [what, name, range] of [
  ['for the tail', 'no_tail', TAIL],
  ['for the middle', 'no_middle', BEFORE_TAIL],
] as const) {
  test(`a Parquet file of a server that ignores Range is imported, requested ${what}`, async () => {
    const fault = server.faults.order({ operation: 'GetObject', range, ignoreRange: true, times: 9 });
    await insert(name, 'parquet', parquet);
    const [file] = await world.settled(name);
    assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'bad_range', 1]);
    assert.match(file!.error_message!, /answer Range requests as S3 does/);
    assert.equal(fault.hits, 1);
    assert.deepEqual(await db.one(`select count(*) from ${name}`), { count: 0 });
    await world.spoolEmptied();
  });
}

test('a CSV file of a server that ignores Range is imported whole, or not at all', async () => {
  server.faults.order({ operation: 'GetObject', ignoreRange: true, times: 9 });
  await insert('whole', 'csv', csv);
  await landed('whole', 600_000);
  assert.deepEqual(ranges(), [undefined]);
  server.faults.clear();
  server.requests.reset();
  server.faults.order({ operation: 'GetObject', cut: 2_000_000 });
  server.faults.order({ operation: 'GetObject', ignoreRange: true, times: 9 });
  await insert('resumed', 'csv', csv);
  const [file] = await world.settled('resumed');
  assert.deepEqual([file!.status, file!.error_code, ranges().length], ['failure', 'bad_range', 2]);
  assert.deepEqual(await db.one('select count(*) from resumed'), { count: 0 });
});
