import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { type Case, COLUMNS } from './cases/case.ts';
import { CONNECTORS } from './cases/connectors.ts';
import { FILES } from './cases/files.ts';
import { TABLES } from './cases/tables.ts';

const CASES: Record<string, Case> = { ...FILES, ...CONNECTORS, ...TABLES };

const world = await openWorld();
const { db } = world;

/** The second wave has only those files that have succeeded alone, so that more of them come together. */
const MODES = ['one_by_one', 'in_bundles'] as const;
const WAVES = ['all', 'good'] as const;
type Mode = (typeof MODES)[number];
type Wave = (typeof WAVES)[number];

const connectorOf = (mode: Mode, wave: Wave, name: string) => `${mode}_${wave}_${name}`;
const schemaOf = (mode: Mode, wave: Wave) => `${mode}_${wave}`;

function putFiles(wave: Wave, name: string, isWanted: (key: string) => boolean): void {
  const { keys = [], bodies } = CASES[name]!;
  for (const [file, body] of bodies.entries()) {
    const key = `${name}/${keys[file] ?? String(file).padStart(3, '0')}`;
    if (isWanted(key)) world.put(`${wave}/${key}`, body);
  }
}

async function insertConnector(mode: Mode, wave: Wave, name: string): Promise<void> {
  const { ddl, columns = COLUMNS, connector = {}, format, mappings = [], later } = CASES[name]!;
  const schema = schemaOf(mode, wave);
  const own = connectorOf(mode, wave, name);
  const inSchema = (text: string) => text.replaceAll('$S', schema);
  if (ddl) await db.query(inSchema(ddl));
  else if (columns !== null) await db.query(inSchema(`create table $S.t_${name} (${columns})`));
  if (format) await world.insertFormat({ name: own, ...format });
  const { on_import, ...others } = connector;
  await world.insertConnector({
    name: own,
    pattern: `${wave}/${name}/**`,
    target_table: `${schema}.t_${name}`,
    file_format: format ? own : 'csv',
    file_id_column: 'file_id',
    state: 'paused',
    ...(typeof on_import === 'string' && { on_import: inSchema(on_import) }),
    ...others,
  });
  for (const mapping of mappings) {
    const row: Record<string, unknown> = { connector_name: own, ...mapping };
    await db.query(
      `insert into s3_connector.column_mappings (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
      Object.values(row),
    );
  }
  if (later) await db.query(inSchema(later));
  await db.query('select s3_connector.resume($1)', [own]);
}

/** Imports the files of cases. */
async function importAll(mode: Mode, wave: Wave, names: string[]): Promise<void> {
  await db.query(`create schema ${schemaOf(mode, wave)}`);
  for (const name of names) await insertConnector(mode, wave, name);
  for (const name of names) await world.settled(connectorOf(mode, wave, name));
}

async function withWorker(bundleFiles: number, run: () => Promise<void>): Promise<void> {
  const worker = await world.startWorker({
    WORKER_CONCURRENCY: '1',
    IMPORT_BUNDLE_FILES: String(bundleFiles),
  });
  await run();
  await worker.end('SIGTERM');
}

/** Returns all that the database says of a connector, but for times, ids, and the names of mode and wave. */
async function outcomeOf(mode: Mode, wave: Wave, name: string): Promise<unknown> {
  const values = [connectorOf(mode, wave, name)];
  const files = await db.query<{ id: number }>(
    `select id, key, status, attempts, rows_read, rows_imported, rows_rejected, rows_skipped, rows_inserted, rows_updated,
        rows_deleted, size_bytes, error_code, error_message, notice, lineage, lineage_table is not null as has_rows
      from s3_connector.files where connector_name = $1 order by key`,
    values,
  );
  const outcome = {
    files,
    // Under load, the rest of a bundle that failed may wait in the queue again.
    ends: await db.query(
      `select key, from_status, to_status, attempt, message from s3_connector.file_history
        where connector_name = $1 and to_status not in ('in_queue', 'running') order by key, at`,
      values,
    ),
    rejected: await db.query(
      `select key, line, column_name, error, raw from s3_connector.rejected_rows where connector_name = $1
        order by key, line, error`,
      values,
    ),
    changes: await db.query(
      `select to_jsonb(c) - 'id' - 'file_id' - 'at' as change from s3_connector.schema_changes c where connector_name = $1
        order by c.at, c.key, c.column_name`,
      values,
    ),
    totals: await db.query(
      `select success, failure, rows_total, bytes_total, rejected, notice from s3_connector.connector_status where name = $1`,
      values,
    ),
  };
  const ids = new Set(files.map(({ id }) => String(id)));
  const text = JSON.stringify(outcome, (field, value) => (field === 'id' ? undefined : value));
  // A row that was refused, or that a message shows, has the id of its file.
  const withoutIds = text.replaceAll(/(, |\\t)(\d+)(?=[,)"])/g, (found, before, id) =>
    ids.has(id) ? `${before}ID` : found,
  );
  return JSON.parse(withoutIds.replaceAll(schemaOf(mode, wave), 'MODE'));
}

/** Returns the rows of all tables, in any order, with the key of a file in place of its id. */
async function rowsOf(mode: Mode, wave: Wave): Promise<Record<string, string[]>> {
  const schema = schemaOf(mode, wave);
  const tables = await db.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1",
    [schema],
  );
  const files = await db.query<{ id: number; key: string }>('select id, key from s3_connector.files');
  const keys = new Map(files.map(({ id, key }) => [id, key]));
  const entries = tables.map(async ({ name }): Promise<[string, string[]]> => {
    const rows = await db.query<{ row: { file_id?: number } }>(
      `select to_jsonb(t) as row from ${schema}.${name} t`,
    );
    return [name, rows.map(({ row }) => JSON.stringify({ ...row, file_id: keys.get(row.file_id!) })).sort()];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Puts the files again that have succeeded, for cases that have others. Returns these cases. */
async function keepGood(): Promise<string[]> {
  const names: string[] = [];
  for (const name of Object.keys(CASES)) {
    const files = await db.query<{ key: string; status: string }>(
      'select key, status from s3_connector.files where connector_name = $1',
      [connectorOf('one_by_one', 'all', name)],
    );
    const good = files.filter(({ status }) => status === 'success').map(({ key }) => key);
    if (good.length < 2 || good.length === files.length) continue;
    names.push(name);
    putFiles('good', name, (key) => good.includes(`all/${key}`));
  }
  return names;
}

test('what becomes of files does not depend on whether they come in bundles', async (t) => {
  const cases = { all: Object.keys(CASES), good: [] as string[] };
  for (const name of cases.all) putFiles('all', name, () => true);
  await withWorker(1, async () => {
    await importAll('one_by_one', 'all', cases.all);
    cases.good = await keepGood();
    await importAll('one_by_one', 'good', cases.good);
  });
  await withWorker(100, async () => {
    for (const wave of WAVES) await importAll('in_bundles', wave, cases[wave]);
  });
  for (const wave of WAVES) {
    for (const name of cases[wave])
      await t.test(`${wave} files: ${name}`, async () => {
        const [alone, bundled] = await Promise.all(MODES.map((mode) => outcomeOf(mode, wave, name)));
        assert.deepEqual(bundled, alone);
      });
    const [alone, bundled] = await Promise.all(MODES.map((mode) => rowsOf(mode, wave)));
    for (const table of Object.keys(alone!))
      await t.test(`${wave} files: rows of ${table}`, () => assert.deepEqual(bundled![table], alone![table]));
  }
});
