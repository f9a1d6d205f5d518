import assert from 'node:assert/strict';
import type { TestDatabase } from '../support/database.ts';

interface Landed {
  connector: string;
  /** Has the columns `file` and `n`, whose pair is unique in every row, and `file_id`, the lineage. */
  table: string;
  /** The expected number of rows of a file, by its key. */
  rowsOf: (key: string) => number;
}

/** Asserts that every file is a success and every row is there once, by the rows and by their lineage. */
export async function assertExactlyOnce(
  db: TestDatabase,
  { connector, table, rowsOf }: Landed,
): Promise<void> {
  const files = await db.query<{ key: string; status: string; rows_imported: number; rows: number }>(
    `select f.key, f.status, f.rows_imported, coalesce(t.rows, 0) as rows
      from s3_connector.files f
      left join (select file_id, count(*) as rows from ${table} group by file_id) t on t.file_id = f.id
      where f.connector_name = $1 order by f.key`,
    [connector],
  );
  const wrong = files.filter(({ key, status, rows_imported, rows }) => {
    const expected = rowsOf(key);
    return status !== 'success' || rows_imported !== expected || rows !== expected;
  });
  assert.deepEqual(wrong, []);
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  assert.deepEqual(await db.one(`select count(*), count(distinct (file, n)) as different from ${table}`), {
    count: rows,
    different: rows,
  });
}

/** Asserts that the queue is empty and no session is idle in a transaction. */
export async function assertAtRest(db: TestDatabase): Promise<void> {
  // A job may be about to end, after its file was recorded; the crontab may have just added its own.
  await db.waitFor(
    "select task_identifier, key, locked_at, attempts, last_error from s3_connector_queue.jobs where task_identifier <> 'poll_due'",
    (jobs) => jobs.length === 0,
  );
  assert.deepEqual(
    await db.query("select locked_by from s3_connector_queue.jobs where locked_at < now() - interval '30 s'"),
    [],
  );
  await db.waitFor(
    `select pid, application_name, state, query from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%'`,
    (sessions) => sessions.length === 0,
  );
}
