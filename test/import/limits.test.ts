import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { filesIn } from '../support/files_in.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// An object over a limit is refused before it costs requests, memory or disk space.

const world = await openWorld();
const { db, server, bucket } = world;
// No larger reader: what one reader cannot hold is refused.
before(() => world.startWorker({ LARGE_READER_MEMORY_MB: '64' }));

const MB = 1_000_000;
const getsOf = (key: string) =>
  server.requests.recent.filter((request) => request.operation === 'GetObject' && request.key === key).length;
const sizeOf = async (table: string) =>
  Number((await db.one<{ size: string }>('select pg_total_relation_size($1) as size', [table])).size);

/** The largest size of the spool while something ran. */
async function mostSpooled(run: () => Promise<void>): Promise<number> {
  let most = 0;
  let over = false;
  const watch = async () => {
    while (!over) {
      const sizes = (await filesIn(world.spoolDir)).map((file) =>
        stat(join(file.parentPath, file.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      most = Math.max(
        most,
        (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const watching = watch();
  await run().finally(() => {
    over = true;
  });
  await watching;
  return most;
}

test('a file larger than max_file_bytes is not fetched, in any format or later version', async () => {
  const csv = `n\n${'1\n'.repeat(1000)}`;
  world.put('large/1.csv', csv);
  world.put('large/2.csv', 'n\n1\n');
  server.faults.order({
    operation: 'GetObject',
    key: 'large/2.csv',
    before: () => server.store.put(bucket, 'large/2.csv', csv),
  });
  world.put('large_parquet/1.parquet', await parquetOf('select i as n from range(1000) r(i)'));
  for (const [name, file_format] of [
    ['large', 'csv'],
    ['large_parquet', 'parquet'],
  ] as const) {
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      file_format,
      target_table: name,
      max_file_bytes: 500,
    });
    for (const file of await world.settled(name)) {
      assert.deepEqual([file.status, file.error_code], ['failure', 'file_too_large'], file.key);
      assert.match(file.error_message!, RegExp(`^${file.key}: .* \\d+ bytes; max_file_bytes is 500`));
    }
  }
  assert.deepEqual([getsOf('large/1.csv'), getsOf('large_parquet/1.parquet')], [0, 0]);
  // The listed version was requested and no longer existed; its replacement was not requested.
  assert.equal(getsOf('large/2.csv'), 1);
  assert.deepEqual(await db.query("select from pg_class where relname in ('large', 'large_parquet')"), []);
});

test('an archive bomb fails by its expanded size, and neither the spool nor the table grows with it', async () => {
  await db.query('create table bombed (line text)');
  const csv = `line\n${`${'x'.repeat(999)}\n`.repeat(100_000)}`;
  const bombs: Record<string, Buffer> = {
    'bomb/1.gz': gzipSync(csv),
    'bomb/2.zst': zstdCompressSync(csv),
    'bomb/3.zip': Buffer.from(zipSync({ 'a.csv': strToU8(csv) }, { level: 6 })),
    'bomb/4.zip': Buffer.from(
      zipSync(
        Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.csv`, strToU8(csv.slice(0, MB))])),
      ),
    ),
  };
  for (const [key, body] of Object.entries(bombs)) world.put(key, body);
  const most = await mostSpooled(async () => {
    await world.insertConnector({
      name: 'bomb',
      pattern: 'bomb/*',
      target_table: 'bombed',
      max_file_bytes: MB,
    });
    for (const file of await world.settled('bomb')) {
      assert.deepEqual(
        [file.status, file.error_code],
        ['failure', 'expanded_too_large'],
        file.error_message!,
      );
      assert.match(file.error_message!, /at most 20000000 bytes.*max_file_bytes/);
    }
  });
  assert.ok(most <= Object.values(bombs).reduce((sum, { length }) => sum + length, 0), `${most}`);
  // The zip files are not loaded at all; at most 20 MB of each of the other two are.
  assert.ok((await sizeOf('bombed')) < 60 * MB);
  assert.deepEqual(await db.query('select count(*) from bombed'), [{ count: 0 }]);
});

test('a row larger than max_row_bytes fails the file, with its number and size, before the row is read whole', async () => {
  await db.query('create table long_rows (id bigint, label text)');
  const long = 'x'.repeat(30 * MB);
  world.put('long/1.csv', `id,label\n1,a\n2,"${long}"\n`);
  world.put('long/2.csv', `id,label\n1,a\n2,"${long}`);
  world.put('long/3.csv', `id,label${long}\n`);
  world.put('long/4.csv', gzipSync(`id,label\n1,a\n2,"${long}"\n`));
  for (const on_bad_row of ['fail', 'skip']) {
    const name = `long_${on_bad_row}`;
    await world.insertConnector({ name, pattern: 'long/*', target_table: 'long_rows', on_bad_row });
    const files = await world.settled(name);
    for (const file of files) {
      const line = file.key === 'long/3.csv' ? 1 : 3;
      assert.deepEqual([file.status, file.error_code], ['failure', 'row_too_large'], file.error_message!);
      const found =
        /^long\/\d.csv: .* at line (\d+) is longer than the 2097152 bytes allowed: (\d+) bytes up to here/.exec(
          file.error_message!,
        );
      assert.equal(Number(found?.[1]), line, file.error_message!);
      assert.ok(Number(found![2]) < 4 * MB, `it is refused before it has ended: ${file.error_message}`);
    }
  }
  assert.ok((await sizeOf('long_rows')) < MB);
});

test('a Parquet row larger than max_row_bytes fails the file, with its number and size', async () => {
  await db.query(
    'create domain plain as text; create domain plain_again as plain; create table long_values (id bigint, label text); create table long_texts (id bigint, label plain_again)',
  );
  for (const megabytes of [3, 20]) {
    const value = `repeat('x', case when i = 2500 then ${megabytes * MB} else 5 end)`;
    world.put(
      `long_values/${megabytes}`,
      await parquetOf(`select i as id, ${value} as label from range(3000) r(i)`),
    );
  }
  for (const table of ['long_values', 'long_texts']) {
    await world.insertConnector({
      name: table,
      pattern: 'long_values/*',
      file_format: 'parquet',
      target_table: table,
    });
    for (const file of await world.settled(table)) {
      assert.deepEqual([file.status, file.error_code], ['failure', 'row_too_large'], file.error_message!);
      assert.match(file.error_message!, /row 2501 has (3|20)0000\d\d bytes; max_row_bytes is 2097152/);
    }
  }
});

test("a Parquet value that exceeds a reader's memory fails the file, not the worker", async () => {
  world.put('huge/1.parquet', await parquetOf(`select repeat('x', 150 * ${MB}) as label`, ", codec 'zstd'"));
  world.put('huge/2.parquet', await parquetOf("select 'x' as label"));
  await db.query('create table huge (label text)');
  await world.insertConnector({
    name: 'huge',
    pattern: 'huge/*',
    file_format: 'parquet',
    target_table: 'huge',
    max_row_bytes: 1_000_000_000,
  });
  const [huge, small] = await world.settled('huge');
  assert.deepEqual([huge!.status, huge!.error_code, huge!.attempts], ['failure', 'out_of_memory', 1]);
  assert.equal(small!.status, 'success');
});
