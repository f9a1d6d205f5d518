/** Runs a function in a savepoint. */
import type pg from 'pg';

/** Runs a function. If it fails, only its own changes are rolled back. Savepoints may nest. */
export async function inSavepoint<T>(client: pg.ClientBase, run: () => Promise<T>): Promise<T> {
  await client.query('savepoint s3_connector');
  try {
    const result = await run();
    await client.query('release savepoint s3_connector');
    return result;
  } catch (error) {
    // If the connection is lost, the first error matters.
    await client.query('rollback to savepoint s3_connector; release savepoint s3_connector').catch(() => {});
    throw error;
  }
}
