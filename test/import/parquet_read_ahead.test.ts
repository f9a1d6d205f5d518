import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { BEFORE_TAIL, parquetOf, TAIL } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// The footer of a large Parquet file is fetched beside the rest, and row groups are read while the others are fetched.

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());

const ROWS = 600_000;
/** In the last of the row groups. */
const BAD_ROW = 590_000;
const body = await parquetOf(
  `select i::integer as n, md5(i::varchar) as filler from range(1, ${ROWS + 1}) as r(i)`,
  ', row_group_size 61440',
);
/** The largest number of bytes that the worker reads as the footer. */
const FOOTER_BYTES = 1 << 20;
const SUM = (ROWS * (ROWS + 1)) / 2;

/** Stalls the request for the bytes before the file's footer, after that many bytes. */
function stallAfter(key: string, bytes: number) {
  return server.faults.order({ operation: 'GetObject', key, range: BEFORE_TAIL, stall: { after: bytes } });
}

async function insert(name: string, columns = {}, check = '') {
  await db.query(`create table ${name} (n integer, filler text ${check})`);
  world.put(`${name}/1.parquet`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    max_attempts: 1,
    ...columns,
  });
}

async function assertAllThere(name: string, rows = ROWS, sum = SUM) {
  const found = await db.one<{ rows: number; sum: number; others: number }>(
    `select count(*)::int as rows, sum(n)::float8 as sum, (count(*) filter (where filler <> md5(n::text)))::int as others from ${name}`,
  );
  assert.deepEqual({ ...found }, { rows, sum, others: 0 });
}

test('rows are copied before the last bytes have come', async () => {
  const stall = stallAfter('ahead/1.parquet', Math.floor(body.length * 0.9));
  await insert('ahead');
  await stall.hit();
  await db.waitFor<{ bytes_processed: string }>(
    `select p.bytes_processed from pg_stat_progress_copy p where p.relid = 'ahead'::regclass`,
    ([row]) => Number(row?.bytes_processed ?? 0) > 1_000_000,
  );
  assert.equal((await db.one<{ n: number }>('select count(*)::int as n from ahead')).n, 0);
  stall.release();
  const [file] = await world.settled('ahead');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS], file!.error_message ?? '');
  await assertAllThere('ahead');
});

test('a fetch that breaks off resumes where it broke off, in the footer and before it', async () => {
  const order = { operation: 'GetObject', key: 'cut/1.parquet' } as const;
  const cuts = [
    server.faults.order({ ...order, range: TAIL, cut: 100_000 }),
    server.faults.order({ ...order, range: BEFORE_TAIL, cut: 15_000_000 }),
  ];
  await insert('cut');
  const [file] = await world.settled('cut');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  await assertAllThere('cut');
  assert.deepEqual(
    cuts.map(({ hits }) => hits),
    [1, 1],
  );
});

test('an object that is overwritten during a read is imported once, in its new version', async () => {
  const order = { operation: 'GetObject', key: 'reread/1.parquet', range: BEFORE_TAIL } as const;
  server.faults.order({ ...order, cut: 15_000_000 });
  const half = await parquetOf(`select i::integer as n, md5(i::varchar) as filler from range(1, 11) as r(i)`);
  server.faults.order({
    ...order,
    before: () => server.store.put(bucket, 'reread/1.parquet', half),
  });
  await insert('reread');
  const [file] = await world.settled('reread');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', 10], file!.error_message ?? '');
  await assertAllThere('reread', 10, 55);
});

test('the error about a refused row has its number in the file, at every position', async () => {
  await insert('told', {}, `check (n <> ${BAD_ROW})`);
  const [file] = await world.settled('told');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'check_violated']);
  assert.match(file!.error_message!, new RegExp(`row ${BAD_ROW}: `));
});

test('the row that is left out is the right one', async () => {
  await insert('left_out', { on_bad_row: 'skip' }, `check (n <> ${BAD_ROW})`);
  const [file] = await world.settled('left_out');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  const rows = await db.query<{ line: string }>(
    `select line from s3_connector.rejected_rows where connector_name = 'left_out'`,
  );
  assert.deepEqual(
    rows.map(({ line }) => Number(line)),
    [BAD_ROW],
  );
  await assertAllThere('left_out', ROWS - 1, SUM - BAD_ROW);
});

test('a preview fetches the footer and nothing else', async () => {
  await insert('looked', { state: 'paused' });
  server.requests.reset();
  await db.query(`call s3_connector.preview('looked')`);
  const asked = server.requests.recent.filter(({ operation }) => operation === 'GetObject');
  assert.equal(asked[0]?.headers.range, `bytes=${body.length - FOOTER_BYTES}-`);
  // The first bytes of the rest may have been sent by then.
  assert.ok(asked.length <= 2);
});
