import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { before, type TestContext, test } from 'node:test';
import { type Random, seeded } from '../support/random.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';
import { FUZZED_COLUMNS, fuzzedCsv } from './fuzz_csv.ts';
import { cleanParquet, fuzzedParquet, PARQUET_SHAPES } from './fuzz_parquet.ts';
import { type Holdings, holdingsOf } from './process.ts';

// Randomly broken files: none may crash the worker, hang, leave anything behind, or be imported in part. The seed and
// the numbers of files come from the environment; a long run: FUZZ_CSV=5000 FUZZ_PARQUET=2000.

const SEED = Number(process.env.FUZZ_SEED ?? 1);
const CSV_FILES = Number(process.env.FUZZ_CSV ?? 300);
const PARQUET_FILES = Number(process.env.FUZZ_PARQUET ?? 120);
const world = await openWorld();
const { db } = world;
let worker: WorkerProcess;

before(async () => {
  // Both ways: small files are sent as bytes, larger ones are encoded.
  worker = await world.startWorker({ ENCODE_CSV_FROM_BYTES: '400' });
});

/** Connector settings for bad rows and columns. */
const VARIATIONS: Record<string, Record<string, unknown>> = {
  strict: {},
  lenient: { on_bad_row: 'skip', on_unknown_column: 'ignore', file_id_column: 'file_id' },
  headless: { csv_skip_header: false, on_bad_row: 'skip', max_bad_rows: 20, file_id_column: 'file_id' },
  counted: { file_id_column: 'file_id', on_unknown_column: 'ignore', csv_null: 'a' },
};

test(`a worker survives ${CSV_FILES} fuzzed CSV files`, async (t) => {
  const random = seeded(SEED);
  const names = Object.keys(VARIATIONS).map((variation) => `csv_${variation}`);
  for (let i = 0; i < CSV_FILES; i++) {
    const { extension, body } = fuzzedCsv(random);
    world.put(`${names[i % names.length]}/${String(i).padStart(6, '0')}.${extension}`, body);
  }
  for (const name of names) {
    const columns = VARIATIONS[name.slice('csv_'.length)]!;
    await db.query(
      `create table ${name} (${FUZZED_COLUMNS}${'file_id_column' in columns ? ', file_id bigint' : ''})`,
    );
    await start({ name, pattern: `${name}/**`, target_table: name, ...columns });
  }
  await survive(t, names);
});

test(`a worker survives ${PARQUET_FILES} mutated Parquet files`, async (t) => {
  const random = seeded(SEED + 1);
  const clean = new Map<string, Buffer>();
  for (const shape of PARQUET_SHAPES) clean.set(shape, await cleanParquet(shape));
  const names = PARQUET_SHAPES.map((shape) => `parquet_${shape}`);
  for (const [shape, body] of clean) {
    world.put(`parquet_${shape}/000000`, body);
    await start({
      name: `parquet_${shape}`,
      pattern: `parquet_${shape}/*`,
      target_table: `parquet_${shape}`,
      file_format: 'parquet',
    });
  }
  // The tables are created from valid files.
  for (const name of names)
    assert.deepEqual(
      (await world.settled(name)).map((file) => file.error_message ?? file.status),
      ['success'],
    );
  for (let i = 0; i < PARQUET_FILES; i++) {
    const shape = PARQUET_SHAPES[i % PARQUET_SHAPES.length]!;
    const key = `parquet_${shape}/${String(i + 1).padStart(6, '0')}`;
    world.put(key, fuzzedParquet(random, clean.get(shape)!));
  }
  // Half of the connectors leave out bad rows, and so read files as text.
  await change(random, names);
  await survive(t, names);
});

async function start(columns: ConnectorColumns): Promise<void> {
  await world.insertConnector({ max_tracked_files: 100_000, max_attempts: 1, ...columns });
}

async function change(random: Random, names: string[]): Promise<void> {
  for (const name of names) {
    await db.query('select s3_connector.pause($1)', [name]);
    if (random(2) === 0)
      await db.query(
        "update s3_connector.connectors set on_bad_row = 'skip', on_unknown_column = 'ignore' where name = $1",
        [name],
      );
    await db.query('select s3_connector.resume($1)', [name]);
    await db.query('select s3_connector.poll_now($1)', [name]);
  }
}

/** Waits for all files to end, and checks what they left. */
async function survive(t: TestContext, names: string[]): Promise<void> {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const before = await holdingsOf(worker.pid);
  await ended(names);
  const codes = await db.query<{ code: string; n: number }>(
    `select coalesce(error_code, status::text) as code, count(*)::int as n from s3_connector.files
      where connector_name = any ($1) group by 1 order by 2 desc`,
    [names],
  );
  t.diagnostic(codes.map(({ code, n }) => `${code} ${n}`).join(', '));
  const unforeseen = await db.query(
    `select key, error_code, error_message from s3_connector.files
      where connector_name = any ($1) and (status not in ('success', 'failure') or error_code in ('unexpected', 'internal'))`,
    [names],
  );
  assert.deepEqual(unforeseen, [], 'every failure is one that somebody thought of');
  for (const name of names) await assertWhole(name);
  await assertNothingLeft(before);
}

/** As long as files end, nothing hangs. */
async function ended(names: string[]): Promise<void> {
  for (let known = 0; ; ) {
    const [row] = await db.waitFor<{ ended: number; over: boolean }>(
      `select sum(success + failure)::int as ended, bool_and(caught_up) and sum(in_queue + running + pending_retry) = 0 as over
        from s3_connector.connector_status where name = any ($1)`,
      ([status]) => status!.over || status!.ended > known,
      { values: [names], intervalMs: 500 },
    );
    if (row!.over) return;
    known = row!.ended;
  }
}

/** Each file has as many rows as it reports, and a failed one has none. */
async function assertWhole(name: string): Promise<void> {
  const [{ lineage }] = (await db.query<{ lineage: boolean }>(
    'select file_id_column is not null as lineage from s3_connector.connectors where name = $1',
    [name],
  )) as [{ lineage: boolean }];
  const [{ landed, said }] = (await db.query<{ landed: number; said: number }>(
    `select (select count(*) from ${name})::int as landed,
      (select coalesce(sum(rows_imported), 0) from s3_connector.files where connector_name = $1 and status = 'success')::int as said`,
    [name],
  )) as [{ landed: number; said: number }];
  assert.equal(landed, said, `${name}: rows`);
  if (!lineage) return;
  const torn = await db.query(
    `select f.key, f.status, f.rows_imported, t.n from s3_connector.files f
      full join (select file_id, count(*)::int as n from ${name} group by 1) t on t.file_id = f.id
      where (f.connector_name = $1 or f.id is null)
        and coalesce(t.n, 0) is distinct from case f.status when 'success' then f.rows_imported else 0 end`,
    [name],
  );
  assert.deepEqual(torn, [], `${name}: rows by file`);
}

async function assertNothingLeft(before: Holdings | null): Promise<void> {
  await world.spoolEmptied();
  // The housekeeping of a minute may be between two statements.
  await db.waitFor(
    `select application_name, state, query from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%'`,
    (sessions) => sessions.length === 0,
  );
  assert.deepEqual(
    worker.lines.filter(({ level }) => level === 'error'),
    [],
  );
  assert.equal(
    worker.lines.filter(({ event }) => event === 'ready').length,
    1,
    'the worker is the same process',
  );
  const after = await holdingsOf(worker.pid);
  if (!before || !after) return;
  // Two kinds of readers: for imports and for requests.
  assert.ok(after.children.length <= availableParallelism() + 2, `reader processes: ${after.children}`);
  // A reader has some pipes, a connection a socket; a leak grows with the number of files.
  assert.ok(after.descriptors <= before.descriptors + 40, `${before.descriptors} -> ${after.descriptors}`);
}
