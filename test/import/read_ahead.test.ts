import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openWorld } from '../support/world.ts';

// A large CSV is read during its fetch, encoded or as bytes.

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());

/** More bytes than the worker waits for before it begins. */
const ROWS = 400_000;
const FILLER = 'some text that makes the row longer';
/** @param first the value in the first row, which only PostgreSQL can check if it is not a plain number */
const csvOf = (rows: number, first = '0') =>
  `n,filler\n${Array.from({ length: rows }, (_, n) => `${n === 0 ? first : n},${FILLER}\n`).join('')}`;

/** Puts a file and stalls its body in the middle. */
function putAndStall(key: string, body: Buffer | string) {
  world.put(key, body);
  return server.faults.order({
    operation: 'GetObject',
    key,
    stall: { after: Math.floor(Buffer.byteLength(body) / 2) },
  });
}

/** Waits until rows of the file have been copied, although it has not arrived completely. */
async function copying(name: string): Promise<void> {
  await db.waitFor<{ bytes_processed: string }>(
    `select p.bytes_processed from pg_stat_progress_copy p where p.relid = '${name}'::regclass`,
    ([row]) => Number(row?.bytes_processed ?? 0) > 100_000,
  );
}

/** A table for the files, with a column of a type that is encoded, or not. */
async function insert(name: string, type: 'integer' | 'int4range' | 'text', columns = {}) {
  await db.query(`create table ${name} (n ${type}, filler text)`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_attempts: 1,
    ...columns,
  });
}

for (const [name, type] of [
  ['encoded', 'integer'],
  ['as_it_is', 'int4range'],
] as const) {
  test(`rows are copied before the last bytes have come: ${name}`, async () => {
    const body = type === 'integer' ? csvOf(ROWS) : csvOf(ROWS).replaceAll(/^\d+/gm, '"[1,2)"');
    const stall = putAndStall(`${name}/1.csv`, body);
    await insert(name, type);
    await stall.hit();
    await copying(name);
    assert.equal((await db.one<{ n: number }>(`select count(*)::int as n from ${name}`)).n, 0);
    stall.release();
    const [file] = await world.settled(name);
    assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS], file!.error_message ?? '');
  });
}

test('rows of a gzip are copied before the last bytes have come', async () => {
  const body = Array.from({ length: ROWS * 2 }, (_, n) => `${n},${Math.sin(n)}\n`).join('');
  const stall = putAndStall('gz/1.csv.gz', gzipSync(`n,filler\n${body}`, { level: 1 }));
  await insert('gz', 'integer');
  await stall.hit();
  await copying('gz');
  stall.release();
  const [file] = await world.settled('gz');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS * 2], file!.error_message ?? '');
});

test('an object that is overwritten during a read is imported once, in its new version', async () => {
  world.put('changed/1.csv', csvOf(ROWS));
  server.faults.order({ operation: 'GetObject', key: 'changed/1.csv', cut: 9_000_000 });
  server.faults.order({
    operation: 'GetObject',
    key: 'changed/1.csv',
    before: () => server.store.put(bucket, 'changed/1.csv', csvOf(ROWS + 1)),
  });
  await insert('changed', 'integer');
  const [file] = await world.settled('changed');
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 1, ROWS + 1],
    file!.error_message ?? '',
  );
  assert.equal((await db.one<{ n: number }>('select count(*)::int as n from changed')).n, ROWS + 1);
});

test("a fetch that fails in the middle fails the attempt, with the fetch's error, and keeps nothing", async () => {
  world.put('broken/1.csv', csvOf(ROWS));
  server.faults.order({ operation: 'GetObject', key: 'broken/1.csv', cut: 9_000_000 });
  server.faults.order({
    operation: 'GetObject',
    key: 'broken/1.csv',
    times: 100,
    error: { status: 403, code: 'AccessDenied' },
  });
  await insert('broken', 'integer');
  const [file] = await world.settled('broken');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'access_denied'], file!.error_message ?? '');
  assert.equal((await db.one<{ n: number }>('select count(*)::int as n from broken')).n, 0);
  await world.spoolEmptied();
});

test('a refused row ends the fetch, too', async () => {
  const stall = putAndStall('refused/1.csv', csvOf(ROWS, 'no number'));
  await insert('refused', 'integer');
  await stall.hit();
  // The rest is never sent: the stall is not released.
  const [file] = await world.settled('refused');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'bad_value']);
  assert.match(file!.error_message!, /line 2, column n/);
  await world.spoolEmptied();
});
