import assert from 'node:assert/strict';
import type { ConnectorColumns, FileRow, World } from '../support/world.ts';

/** Helpers for tests of a failing database, whose workers the test has started. */
export interface DatabaseFaults {
  /** Gives new import sessions a setting, or removes all such settings. */
  set(setting?: string): Promise<void>;
  /** Inserts a connector with a table of its name, with n and file_id, and one file of two rows. */
  insert(name: string, columns?: Partial<ConnectorColumns>): Promise<void>;
  /** Waits until the connector's file has come to a status. */
  file(name: string, status: string): Promise<FileRow>;
  /** Waits until an import's session waits for a lock. */
  waitsForLock(): Promise<void>;
  /** Makes a file's retry due now, and asserts that its rows are there once. */
  succeeds(name: string): Promise<FileRow>;
}

export function databaseFaults(world: World): DatabaseFaults {
  const { db } = world;
  return {
    async set(setting) {
      await db.query(`alter database ${db.name} ${setting ? `set ${setting}` : 'reset all'}`);
      // Open sessions keep their settings.
      const sessions =
        "from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file%'";
      await db.query(`select pg_terminate_backend(pid) ${sessions}`);
      await db.waitFor(`select ${sessions}`, (rows) => rows.length === 0);
    },
    async insert(name, columns = {}) {
      await db.query(`create table if not exists ${name} (n integer, file_id bigint)`);
      world.put(`${name}/1.csv`, 'n\n1\n2\n');
      await world.insertConnector({
        name,
        pattern: `${name}/*`,
        target_table: name,
        file_id_column: 'file_id',
        ...columns,
      });
    },
    async file(name, status) {
      const [file] = await db.waitFor<FileRow>(
        'select * from s3_connector.files where connector_name = $1',
        (rows) => rows[0]?.status === status,
        { values: [name] },
      );
      return file!;
    },
    async waitsForLock() {
      await db.waitFor(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
          and application_name like 's3_connector import_file%'`,
        (rows) => rows.length > 0,
      );
    },
    async succeeds(name) {
      await db.query(
        'select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())',
      );
      const [file] = await world.settled(name);
      assert.deepEqual([file!.status, file!.error_message], ['success', null]);
      const { n } = await db.one<{ n: number }>(
        `select count(*) as n from ${name} t join s3_connector.files f on f.id = t.file_id where f.connector_name = $1`,
        [name],
      );
      assert.deepEqual([n, file!.rows_imported], [n, n]);
      assert.deepEqual(await db.one(`select count(*) as n from ${name}`), { n });
      return file!;
    },
  };
}
