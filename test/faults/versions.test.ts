import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, beforeEach, test } from 'node:test';
import type { FaultOrder } from '../../embedded/bucket/faults.ts';
import { ConnectorError } from '../../src/errors.ts';
import { fetchObject } from '../../src/fetch.ts';
import type { Source } from '../../src/sources/source.ts';
import { parquetOf } from '../support/parquet.ts';
import { seeded } from '../support/random.ts';
import { openWorld } from '../support/world.ts';

// All imported rows of a file are from one version of its object, also if the server ignores If-Match.

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());
beforeEach(() => server.faults.clear());

const LARGE = 200_000;
/** Rows of a fixed width, so that every version has the same size. */
const csv = (version: number, rows: number) =>
  `version,n\n${Array.from({ length: rows }, (_, n) => `${version},${100_000_000 + n}\n`).join('')}`;

async function insert(name: string, columns: Record<string, unknown> = {}) {
  await db.query(`create table ${name} (version integer, n integer)`);
  const connector = { name, pattern: `${name}/*`, target_table: name, max_attempts: 2, ...columns };
  await world.insertConnector(connector);
  const [file] = await world.settled(name);
  return file!;
}

const versions = (table: string) =>
  db.query(`select version, count(*)::integer as rows from ${table} group by version order by version`);

/** From the next GET on, the object is another one of the same size, and If-Match is ignored. */
function overwriteUnseen(key: string, body: Buffer | string, order: FaultOrder = {}) {
  let done = false;
  return server.faults.order({
    operation: 'GetObject',
    key,
    times: Number.POSITIVE_INFINITY,
    ignoreConditions: true,
    before: () => {
      if (!done) server.store.put(bucket, key, body);
      done = true;
    },
    ...order,
  });
}

for (const [what, name, rows] of [
  ['fetched first', 'resumed', LARGE],
  ['read while it is fetched', 'read_ahead', 4 * LARGE],
] as const) {
  test(`a file that is ${what}, and overwritten while its download breaks off, has only rows of the new version`, async () => {
    const key = `${name}/1.csv`;
    world.put(key, csv(1, rows));
    server.faults.order({ operation: 'GetObject', key, cut: 700_000 });
    overwriteUnseen(key, csv(2, rows));
    const file = await insert(name);
    assert.deepEqual([file.status, file.error_message], ['success', null]);
    assert.deepEqual(await versions(name), [{ version: 2, rows }]);
    assert.deepEqual(await db.one('select etag from s3_connector.files where connector_name = $1', [name]), {
      etag: server.store.get(bucket, key)!.etag,
    });
  });
}

test('a small file that was overwritten before its fetch is imported and recorded in its new version', async () => {
  world.put('small/1.csv', csv(1, 10));
  overwriteUnseen('small/1.csv', csv(2, 10));
  const file = await insert('small');
  assert.equal(file.status, 'success');
  assert.deepEqual(await versions('small'), [{ version: 2, rows: 10 }]);
  assert.deepEqual(await db.one("select etag from s3_connector.files where connector_name = 'small'"), {
    etag: server.store.get(bucket, 'small/1.csv')!.etag,
  });
});

test('an object that was listed empty and filled later is imported with its rows', async () => {
  world.put('filled/1.csv', '');
  server.faults.order({
    operation: 'GetObject',
    key: 'filled/1.csv',
    before: () => server.store.put(bucket, 'filled/1.csv', csv(1, 3)),
  });
  const file = await insert('filled');
  assert.deepEqual([file.status, file.rows_imported], ['success', 3]);
});

test('a Parquet file whose end and rest have different versions is fetched again', async () => {
  const rows = 1_200_000;
  const parquet = (version: number) =>
    parquetOf(`select ${version}::integer as version, (hash(range) >> 34)::integer as n from range(${rows})`);
  const [first, second] = [await parquet(1), await parquet(2)];
  assert.ok(first.length === second.length && first.length > 4 << 20, `${first.length} ${second.length}`);
  world.put('ends/1.parquet', first);
  server.faults.order({ operation: 'GetObject', key: 'ends/1.parquet' });
  overwriteUnseen('ends/1.parquet', second);
  const file = await insert('ends', { file_format: 'parquet' });
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await versions('ends'), [{ version: 2, rows }]);
});

test('an answer with another size than the listing is another version, even with the same ETag', async () => {
  world.put('size/1.csv', csv(1, LARGE));
  const { etag } = server.store.get(bucket, 'size/1.csv')!;
  overwriteUnseen('size/1.csv', csv(2, LARGE + 1), { times: 1, etag });
  const file = await insert('size');
  assert.deepEqual([file.status, file.rows_imported], ['success', LARGE + 1]);
  assert.deepEqual(await versions('size'), [{ version: 2, rows: LARGE + 1 }]);
});

test('an object that became shorter than the requested range is another version', async () => {
  world.put('shorter/1.csv', csv(1, LARGE));
  server.faults.order({ operation: 'GetObject', key: 'shorter/1.csv', cut: 700_000 });
  overwriteUnseen('shorter/1.csv', csv(2, 10));
  const file = await insert('shorter');
  assert.deepEqual([file.status, file.rows_imported], ['success', 10]);
  assert.deepEqual(await versions('shorter'), [{ version: 2, rows: 10 }]);
});

test('an answer that repeatedly has the ETag of another version fails as object_changed', async () => {
  world.put('other/1.csv', csv(1, 10));
  server.faults.order({
    operation: 'GetObject',
    key: 'other/1.csv',
    times: Number.POSITIVE_INFINITY,
    etag: '"00000000000000000000000000000001"',
  });
  const file = await insert('other', { max_attempts: 1 });
  assert.deepEqual([file.status, file.error_code], ['failure', 'object_changed']);
  assert.match(file.error_message!, /listed with the ETag "[0-9a-f]{32}", and fetched with "0+1"/);
  assert.deepEqual(await versions('other'), []);
});

test('a server that sends no ETag with the bytes fails the file, and the error says so', async () => {
  world.put('nameless/1.csv', csv(1, 10));
  server.faults.order({
    operation: 'GetObject',
    key: 'nameless/1.csv',
    times: Number.POSITIVE_INFINITY,
    etag: null,
  });
  const file = await insert('nameless');
  assert.deepEqual([file.status, file.error_code, file.attempts], ['failure', 'no_etag', 1]);
});

for (const [what, name, write] of [
  ['weakened', 'weak', (etag: string) => `W/${etag}`],
  ['without quotes', 'bare', (etag: string) => etag.slice(1, -1)],
] as const) {
  test(`an ETag that comes ${what} is the same ETag`, async () => {
    world.put(`${name}/1.csv`, csv(1, 10));
    const etag = write(server.store.get(bucket, `${name}/1.csv`)!.etag);
    const fault = server.faults.order({ operation: 'GetObject', key: `${name}/1.csv`, etag });
    const file = await insert(name);
    assert.deepEqual([file.status, fault.hits], ['success', 1]);
    assert.equal(
      server.requests.recent.filter(
        ({ operation, key }) => operation === 'HeadObject' && key === `${name}/1.csv`,
      ).length,
      0,
    );
  });
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`downloads that break off at random during an overwrite have one version (seed ${seed})`, async () => {
    const random = seeded(seed);
    const key = `random${seed}/1.csv`;
    const bytes = csv(1, LARGE).length;
    world.put(key, csv(1, LARGE));
    const { etag: first } = server.store.get(bucket, key)!;
    const cuts = Array.from({ length: 1 + random(3) }, () => 1 + random(bytes));
    const overwrittenBefore = random(cuts.length + 1);
    for (const [index, cut] of [...cuts, undefined].entries()) {
      const overwrite = () => server.store.put(bucket, key, csv(2, LARGE));
      server.faults.order({
        operation: 'GetObject',
        key,
        ignoreConditions: true,
        ...(cut === undefined ? {} : { cut }),
        ...(index === overwrittenBefore ? { before: overwrite } : {}),
      });
    }
    const file = await insert(`random${seed}`);
    assert.equal(file.status, 'success', file.error_message ?? '');
    const [only, ...others] = await versions(`random${seed}`);
    const { etag } = await db.one<{ etag: string }>('select etag from s3_connector.files where key = $1', [
      key,
    ]);
    assert.deepEqual([only, others], [{ version: etag === first ? 1 : 2, rows: LARGE }, []]);
  });
}

const spoolDir = await mkdtemp(join(tmpdir(), 'versions-'));
after(() => rm(spoolDir, { recursive: true, force: true }));

for (const sizeBytes of [10, 100_000]) {
  test(`a fetch with more than the listed ${sizeBytes} bytes ends at once`, async () => {
    let opened = 0;
    const source = {
      async open() {
        opened += 1;
        return Readable.from([Buffer.alloc(sizeBytes), Buffer.alloc(1)]);
      },
    } as Partial<Source> as Source;
    const object = { key: 'k', etag: '"e"', sizeBytes, lastModified: new Date(0) };
    const options = { spoolDir, name: `${sizeBytes}`, maxFileBytes: 1e9, tailBytes: 0, fetchMs: 1e6 };
    const fetchAll = async () => {
      const fetched = await fetchObject(source, object, { ...options, signal: new AbortController().signal });
      try {
        await fetched.file.whole();
      } finally {
        await fetched.remove();
      }
    };
    await assert.rejects(fetchAll, (error: ConnectorError) => {
      assert.ok(error instanceof ConnectorError);
      assert.deepEqual([error.code, error.passing], ['object_changed', true]);
      return true;
    });
    assert.equal(opened, 1);
  });
}
