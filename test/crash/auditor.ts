import assert from 'node:assert/strict';
import { withJobsDue } from '../faults/clock.ts';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import type { TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

/** Rows of each file. */
export const ROWS = 50;

/** What a connector must have imported: the keys in the bucket, each with `ROWS` rows. */
export interface Expected {
  /** Of the connector, of its folder, and of its table. */
  name: string;
  keys: string[];
}

/** Creates the table of a connector. */
export async function makeTable(db: TestDatabase, name: string): Promise<void> {
  await db.query(`create table ${name} (file integer, n integer, pad text, file_id bigint)`);
}

/** Inserts a connector for a folder, and its table. */
export async function insertConnector(
  world: World,
  name: string,
  columns: Record<string, unknown> = {},
): Promise<Expected> {
  await makeTable(world.db, name);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
    // None of the errors is caused by the files.
    max_attempts: 100,
    ...columns,
  });
  return { name, keys: [] };
}

/** Puts files into the bucket, numbered after those that are there. Returns their keys. */
export function putFiles(world: World, expected: Expected, count: number): string[] {
  const { name, keys } = expected;
  const added = Array.from({ length: count }, (_, i) => {
    const file = keys.length + i;
    const key = `${name}/${String(file).padStart(4, '0')}.csv`;
    const lines = Array.from({ length: ROWS }, (_, n) => `${file},${n},${'x'.repeat(100)}`);
    world.put(key, `file,n,pad\n${lines.join('\n')}\n`);
    return key;
  });
  keys.push(...added);
  return added;
}

/** Waits until a server that was restarted answers: the first query may get a session of before. */
export async function answers(db: TestDatabase): Promise<void> {
  await until('the database answers', () =>
    db.query('select').then(
      () => true,
      () => false,
    ),
  );
}

/** Waits until these keys are imported. */
export async function imported(db: TestDatabase, keys: string[]): Promise<void> {
  await db.waitFor(
    "select from s3_connector.files where status = 'success' and key = any ($1)",
    (rows) => rows.length === keys.length,
    { values: [keys] },
  );
}

/** Polls and imports everything, then asserts that each key of the bucket has been imported once, and that all counts agree. */
export async function assertComesOnce(db: TestDatabase, { name, keys }: Expected): Promise<void> {
  await withJobsDue(db, async () => {
    await db.query('select s3_connector.poll_now($1)', [name]);
    await imported(db, keys);
  });
  assert.deepEqual(
    await db.query('select key, status from s3_connector.files where connector_name = $1 order by key', [
      name,
    ]),
    keys.map((key) => ({ key, status: 'success' })),
  );
  await assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => ROWS });
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  await assertAtRest(db);
}

/**
 * Asserts that every successful file has its rows, and no other file has any. Looks at one moment, because workers may go on.
 * Returns the successful keys.
 */
export async function assertRowsAgree(db: TestDatabase, { name }: Expected): Promise<string[]> {
  const files = await db.query<{ key: string | null; status: string | null; rows: number }>(
    `select f.key, f.status, coalesce(t.rows, 0) as rows
      from (select * from s3_connector.files where connector_name = $1) f
      full join (select file_id, count(*) as rows from ${name} group by file_id) t on t.file_id = f.id
      order by f.key`,
    [name],
  );
  const wrong = files.filter(({ status, rows }) => rows !== (status === 'success' ? ROWS : 0));
  assert.deepEqual(wrong, []);
  return files.filter(({ status }) => status === 'success').map(({ key }) => key!);
}

/** Asserts that all wanted keys are found. */
export function assertContains(found: readonly string[], wanted: readonly string[]): void {
  assert.deepEqual(
    wanted.filter((key) => !found.includes(key)),
    [],
  );
}
