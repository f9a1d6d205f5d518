import assert from 'node:assert/strict';
import { chmod, readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import { parquetBomb } from './parquet_bomb.ts';
import { childrenOf } from './process.ts';

// Small files that are large once they are read: in rows, in bytes or in memory.

const world = await openWorld();
const { db } = world;
let worker: WorkerProcess;
before(async () => {
  await db.query('create function no_op() returns trigger language plpgsql as $$ begin return null; end $$');
  // A CSV of any size is encoded, unless its table or its encoding forbids it.
  worker = await world.startWorker({ ENCODE_CSV_FROM_BYTES: '0', LARGE_READER_MEMORY_MB: '512' });
});
const onLinux = { skip: process.platform === 'linux' ? false : 'only Linux limits the memory of a process' };

async function importOne(name: string, body: Buffer | string, columns: Record<string, unknown>) {
  world.put(`${name}/1`, body);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
  return (await world.settled(name))[0]!;
}

const parquet = { file_format: 'parquet' };
const existing = (table: string) =>
  db.query<{ found: boolean }>('select to_regclass($1) is not null as found', [table]);

test('billions of rows in some hundred bytes are refused before one is read', async () => {
  const body = parquetBomb(2_000_000_000, 1);
  assert.ok(body.length < 300, `${body.length}`);
  const file = await importOne('rows', body, { ...parquet, max_file_bytes: 1_000_000 });
  assert.deepEqual([file.status, file.error_code, file.attempts], ['failure', 'expanded_too_large', 1]);
  assert.match(file.error_message!, /at most 20000000 bytes .* got at least 12000000000/);
});

test('a Parquet file may expand to 20 times max_file_bytes, also where PostgreSQL parses it', async () => {
  const query = (rows: number) => `select 'xxxxxxxxxx' as v, 1::utinyint as n from range(${rows}) r(i)`;
  for (const [name, rows, table] of [
    ['encoded', 30_000, 'v text, n smallint'],
    // There is no binary form of a number as a text.
    ['parsed', 45_000, 'v text, n text'],
  ] as const) {
    await db.query(`create table ${name} (${table})`);
    const file = await importOne(name, await parquetOf(query(rows)), { ...parquet, max_file_bytes: 24_000 });
    assert.deepEqual([file.status, file.error_code], ['failure', 'expanded_too_large'], name);
    assert.match(file.error_message!, /at most 480000 bytes/);
    assert.deepEqual(await db.query(`select count(*) from ${name}`), [{ count: 0 }]);
  }
});

test('rows that a transform makes are limited too', async () => {
  const file = await importOne('made', await parquetOf('select 1 as n'), {
    ...parquet,
    max_file_bytes: 100_000,
    transform: 'select r.i from file, range(1000000000) r(i)',
    create_table: false,
    target_table: 'made_rows',
    max_attempts: 1,
  });
  assert.equal(file.error_code, 'table_missing');
  await db.query('create table made_rows (i bigint)');
  await db.query("select s3_connector.retry('made')");
  const [again] = await world.settled('made');
  assert.deepEqual(
    [again!.status, again!.error_code],
    ['failure', 'expanded_too_large'],
    again!.error_message!,
  );
});

test(
  'a value that fills the memory of a reader, two thousand times over, fails the file at once',
  onLinux,
  async () => {
    const body = parquetBomb(20_000, 1_000_000);
    assert.ok(body.length < 1500, `${body.length}`);
    for (const [name, table] of [
      ['memory', 'v text'],
      ['memory_text', 'v varchar(10)'],
    ] as const) {
      await db.query(`create table ${name} (${table})`);
      const file = await importOne(name, body, parquet);
      assert.deepEqual(
        [file.status, file.error_code, file.attempts],
        ['failure', 'out_of_memory', 1],
        file.error_message!,
      );
    }
    await db.query('create table memory_made (v text)');
    const made = await importOne('memory_made', await parquetOf('select 1 as n'), {
      ...parquet,
      transform: "select repeat('x', 3000000000) as v from file",
    });
    assert.deepEqual([made.status, made.error_code], ['failure', 'out_of_memory'], made.error_message!);
    const small = await importOne('after', await parquetOf("select 'x' as v"), parquet);
    assert.equal(small.status, 'success', small.error_message ?? '');
  },
);

const asRoot = { skip: process.getuid?.() === 0 ? false : 'only a worker that runs as root gives it up' };

test(
  'the readers of a worker that runs as root are another user, and can read the spool',
  asRoot,
  async () => {
    const file = await importOne(
      'user',
      await parquetOf("select repeat('x', 9) || i as v from range(90000) r(i)"),
      parquet,
    );
    assert.equal(file.status, 'success', file.error_message ?? '');
    for (const pid of await childrenOf(worker.pid)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      assert.match(status, /^Uid:(\t65533){4}$/m);
      assert.match(status, /^Gid:(\t65533){4}$/m);
      assert.match(status, /^Groups:\s*$/m);
    }
    assert.equal(
      worker.lines.find(({ event }) => event === 'readers'),
      undefined,
    );
  },
);

test('a worker says so where its readers stay root', asRoot, async () => {
  await chmod(world.spoolDir, 0o700);
  const other = await world.startWorker();
  await chmod(world.spoolDir, 0o711);
  const notice = await other.logged('readers');
  assert.match(String(notice.message), /run as root: user 65533 cannot enter/);
  assert.match(String(notice.hint), /Run the worker as another user/);
  await other.end('SIGTERM');
});

test('Linux limits the memory that a reader may take', onLinux, async () => {
  const readers = await childrenOf(worker.pid);
  assert.ok(readers.length > 0);
  for (const pid of readers) {
    const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
    const [, soft, hard] = /^Max data size +(\d+) +(\d+) +bytes/m.exec(limits) ?? [];
    assert.ok(soft !== undefined && soft === hard, limits);
    const [, used] = /^VmData:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))!;
    assert.ok(Number(hard) - Number(used) * 1024 < 3200e6, `${hard} bytes, of which ${used} KiB are used`);
  }
});

test('a file with more rows than max_rows fails, and nothing of it stays', async () => {
  const rows = (count: number) => `n,label\n${'1,a\n'.repeat(count)}`;
  const bodies: Record<string, [Buffer, Record<string, unknown>]> = {
    plain: [Buffer.from(rows(50_000)), {}],
    gzip: [gzipSync(rows(50_000)), {}],
    zstd: [zstdCompressSync(rows(50_000)), {}],
    zip: [Buffer.from(zipSync({ a: strToU8(rows(8000)), b: strToU8(rows(8000)) })), {}],
    tolerant: [Buffer.from(`${rows(50_000)}x,y\n`), { on_bad_row: 'skip' }],
    merged: [Buffer.from(rows(50_000)), { on_conflict: 'skip' }],
    // PostgreSQL parses a json, so nothing is encoded.
    parsed: [Buffer.from(rows(50_000)), { raw: true }],
    rewritten: [
      Buffer.from(`n,label,more\n${'1,a,b\n'.repeat(50_000)}`),
      { raw: true, on_unknown_column: 'ignore' },
    ],
    latin: [Buffer.from(rows(50_000)), { csv_encoding: 'latin1' }],
    parquet: [await parquetOf("select 1 as n, 'a' as label from range(50000)"), parquet],
    transformed: [
      await parquetOf("select 1 as n, 'a' as label"),
      { ...parquet, transform: 'select n, label from file, range(50000)' },
    ],
  };
  for (const [name, [body, { raw, ...columns }]] of Object.entries(bodies)) {
    const table = `limited_${name}`;
    await db.query(
      `create table ${table} (n integer, label text ${name === 'merged' ? ', id bigserial primary key' : ''} ${raw ? ', j json' : ''})`,
    );
    if (raw)
      await db.query(
        `create trigger each before insert on ${table} for each statement execute function no_op()`,
      );
    const file = await importOne(table, body, { ...columns, max_rows: 10_000 });
    assert.deepEqual(
      [file.status, file.error_code],
      ['failure', 'too_many_rows'],
      `${name}: ${file.error_message}`,
    );
    assert.match(file.error_message!, /at least \d+ rows; max_rows is 10000; .*raise max_rows/);
    assert.deepEqual(await db.query(`select count(*) from ${table}`), [{ count: 0 }]);
  }
  await db.query('create table enough (n integer, label text)');
  for (const [name, body, columns] of [
    ['enough_csv', Buffer.from(rows(10_000)), {}],
    ['enough_parquet', await parquetOf("select 1 as n, 'a' as label from range(10000)"), parquet],
  ] as const) {
    const file = await importOne(name, body, { ...columns, max_rows: 10_000, target_table: 'enough' });
    assert.deepEqual([file.status, file.rows_imported], ['success', 10_000], file.error_message ?? '');
  }
});

test('max_rows must be positive', async () => {
  for (const max_rows of [0, -1]) {
    await assert.rejects(
      world.insertConnector({ name: 'none', pattern: 'none/*', target_table: 'none', max_rows }),
      /max_rows must be between 1 and/,
    );
  }
  assert.deepEqual(await existing('none'), [{ found: false }]);
});
