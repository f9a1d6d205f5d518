import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { openWorld } from '../support/world.ts';
import { csv, importFiles, insertFiles, keyOf, ROWS, transactions, untilRunning } from './files.ts';

const world = await openWorld();
const { db, server } = world;
// Every file is read by an encoder thread, and there is one for each place.
before(() => world.startWorker({ WORKER_CONCURRENCY: '1', ENCODE_CSV_FROM_BYTES: '0' }));

const exactlyOnce = (name: string, rows = ROWS) =>
  assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => rows });

test('files that a thread must encode share the only thread one after the other', async () => {
  await importFiles(world, 'encoded', { files: 10 });
  await exactlyOnce('encoded');
  assert.equal(await transactions(world, 'encoded'), 1);
  const objects = (file: number) =>
    [0, 1, 2].map((n) => JSON.stringify({ file, n, value: file * ROWS + n })).join('\n');
  await importFiles(world, 'encoded_json', { files: 10, file_format: 'json', bodyOf: objects });
  await exactlyOnce('encoded_json');
  assert.equal(await transactions(world, 'encoded_json'), 1);
});

test('small files that are large when they are decompressed have a transaction each', async () => {
  const rows = 34;
  const line = 'x'.repeat(1 << 20);
  const body = (file: number) =>
    gzipSync(`file,n,label\n${Array.from({ length: rows }, (_, n) => `${file},${n},${line}\n`).join('')}`);
  assert.ok(body(0).length <= 262_144);
  await importFiles(world, 'inflated', { files: 2, constraints: ', label text', bodyOf: body });
  await exactlyOnce('inflated', rows);
  assert.equal(await transactions(world, 'inflated'), 2);
});

test('a file with more rows than max_rows fails alone', async () => {
  const files = await importFiles(world, 'too_long', {
    files: 6,
    max_rows: ROWS,
    bodyOf: (file) => (file === 2 ? `${csv(file)}2,3,9\n` : csv(file)),
  });
  assert.deepEqual(
    files.map(({ error_code }) => error_code),
    files.map((_, file) => (file === 2 ? 'too_many_rows' : null)),
  );
});

test('a default that looks at the table sees the rows of every earlier file', async () => {
  await db.query('create table looking (file integer, n integer, value integer, file_id bigint)');
  await db.query(
    `create function rows_so_far() returns bigint language sql stable as 'select count(*) from looking'`,
  );
  await db.query('alter table looking add column before bigint default rows_so_far()');
  for (let file = 0; file < 4; file++) world.put(keyOf('looking', file), csv(file));
  await world.insertConnector({
    name: 'looking',
    pattern: 'looking/*',
    target_table: 'looking',
    file_id_column: 'file_id',
  });
  await world.settled('looking');
  assert.deepEqual(
    await db.query('select distinct file, before from looking order by file'),
    [0, 1, 2, 3].map((file) => ({ file, before: file * ROWS })),
  );
});

test('of two objects whose bytes stop coming, the second does not wait behind the first', async () => {
  const stalled = [3, 4].map((file) =>
    server.faults.order({ operation: 'GetObject', key: keyOf('stuck', file), stall: { after: 1 } }),
  );
  await insertFiles(world, 'stuck', { files: 10 });
  await db.waitFor<{ key: string }>(
    "select key from s3_connector.files where connector_name = 'stuck' and status = 'in_queue' and attempts = 0",
    ([file]) => file?.key === keyOf('stuck', 4),
  );
  await untilRunning(world, 'stuck', 1);
  // The first fetch of the second object was stopped.
  for (const fault of stalled) fault.cancel();
  const files = await world.settled('stuck');
  assert.deepEqual(
    files.map(({ attempts }) => attempts),
    files.map(() => 1),
  );
  await exactlyOnce('stuck');
  await assertAtRest(db);
});
