import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import {
  CHUNK,
  change64,
  chunksOf,
  deepSchema,
  FILE,
  listAt,
  pageHeader,
  renameColumn,
  type ThriftStruct,
  withFooter,
} from './footer.ts';

// Small Parquet files that declare excessive sizes, depths, and numbers of columns. One that DuckDB cannot read ends
// at most its reader; a good file after each shows that no other import is affected.

const world = await openWorld();
const { db } = world;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker();
});

const ONE = await parquetOf(
  'select i from range(1000) r(i)',
  ", codec 'uncompressed', dictionary_size_limit 1",
);
const PACKED = await parquetOf("select repeat('x', 100) || i as i from range(1000) r(i)", ", codec 'zstd'");
const HUGE = 2 ** 31 - 1;

function changed(file: Buffer, change: (groups: ThriftStruct[], footer: ThriftStruct) => void): Buffer {
  return withFooter(file, (footer) => change(listAt(footer, FILE.groups), footer));
}

/** Replaces the first page's header; the bytes after it are unchanged. */
function withPage(file: Buffer, header: Buffer): Buffer {
  const body = Buffer.from(file);
  changed(file, ([group]) => {
    header.copy(body, Number(chunksOf(group!)[0]!.get(CHUNK.dataOffset)!.value));
  });
  return body;
}

const columns = (count: number) => Array.from({ length: count }, (_, i) => `${i} as c${i}`).join(', ');
const nested = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`;
const named = (depth: number) => `${"{'a': ".repeat(depth)}1${'}'.repeat(depth)}`;

const FILES: Record<string, () => Buffer | Promise<Buffer>> = {
  'a page of 2 GB': () => withPage(ONE, pageHeader(1000, HUGE)),
  'a page of 2 billion values': () => withPage(ONE, pageHeader(HUGE, 8000)),
  'a page of -1 bytes': () => withPage(ONE, pageHeader(1000, -1)),
  'a packed page of 2 GB': () => withPage(PACKED, pageHeader(1000, HUGE)),
  'a chunk of 2^62 values': () =>
    changed(ONE, ([group]) => change64(chunksOf(group!)[0]!, CHUNK.values, () => 2n ** 62n)),
  '2^62 rows, of as many values': () =>
    changed(ONE, ([group], footer) => {
      change64(chunksOf(group!)[0]!, CHUNK.values, () => 2n ** 62n);
      change64(group!, 3, () => 2n ** 62n);
      change64(footer, FILE.rows, () => 2n ** 62n);
    }),
  '1 billion rows, of as many values': () =>
    changed(ONE, ([group], footer) => {
      change64(chunksOf(group!)[0]!, CHUNK.values, () => 10n ** 9n);
      change64(group!, 3, () => 10n ** 9n);
      change64(footer, FILE.rows, () => 10n ** 9n);
    }),
  'a schema of 100 levels': () => changed(ONE, (_, footer) => deepSchema(footer, 100)),
  'a schema of 100,000 levels': () => changed(ONE, (_, footer) => deepSchema(footer, 100_000)),
  'lists in lists, 60 deep': () => parquetOf(`select ${nested(60)} as i`),
  'structs in structs, 100 deep': () => parquetOf(`select ${named(100)} as i`),
  '3,000 columns': () => parquetOf(`select ${columns(3000)}`),
  'a column whose name has a NUL': () => changed(ONE, (_, footer) => renameColumn(footer, 'i\0j')),
  'a column whose name is no UTF-8': () => changed(ONE, (_, footer) => renameColumn(footer, '\xff\xfe')),
  'a column without a name': () => changed(ONE, (_, footer) => renameColumn(footer, '')),
  'a column whose name is 1 MB': () => changed(ONE, (_, footer) => renameColumn(footer, 'x'.repeat(1 << 20))),
};

/** Error codes that are ours, not DuckDB's. */
const REFUSED: Record<string, string> = {
  'a page of 2 GB': 'bad_parquet',
  '2^62 rows, of as many values': 'expanded_too_large',
  'lists in lists, 60 deep': 'unsupported_nesting',
  '3,000 columns': 'sql_54011',
  'a column whose name has a NUL': 'nul_character',
};

test('Parquet files with excessive sizes, depths or column numbers affect no other file', async (t) => {
  const names = Object.keys(FILES);
  for (const [i, name] of names.entries()) {
    const folder = `shapes_${i}`;
    world.put(`${folder}/1`, await FILES[name]!());
    world.put(`${folder}/2`, ONE);
    // Each creates its own table, if it can.
    await world.insertConnector({
      name: folder,
      pattern: `${folder}/*`,
      file_format: 'parquet',
      target_table: folder,
      max_attempts: 1,
      on_unknown_column: 'ignore',
    });
  }
  const report: string[] = [];
  for (const [i, name] of names.entries()) {
    const [odd, good] = await world.settled(`shapes_${i}`);
    report.push(
      `${name}: ${odd!.status} ${odd!.error_code ?? odd!.rows_imported} ${odd!.error_message?.slice(0, 200) ?? ''}`,
    );
    assert.notEqual(odd!.error_code, 'unexpected', report.at(-1));
    assert.ok((odd!.error_message?.length ?? 0) < 7000, name);
    const [{ n }] = (await db.query<{ n: number }>(
      `select coalesce(sum(rows_imported), 0)::int as n from s3_connector.files where connector_name = $1`,
      [`shapes_${i}`],
    )) as [{ n: number }];
    const { there } = await db.one<{ there: boolean }>('select to_regclass($1) is not null as there', [
      `shapes_${i}`,
    ]);
    if (there) assert.deepEqual(await db.query(`select count(*)::int as n from shapes_${i}`), [{ n }], name);
    // If the first has created a table of another shape, the second does not fit.
    if (REFUSED[name]) assert.equal(odd!.error_code, REFUSED[name], report.at(-1));
    if (odd!.status === 'failure')
      assert.equal(good!.status, 'success', `after ${name}: ${good!.error_message}`);
  }
  t.diagnostic(report.join('\n'));
  assert.equal(worker.lines.filter(({ level }) => level === 'error').length, 0);
  await world.spoolEmptied();
});
