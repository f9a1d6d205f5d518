import type pg from 'pg';

/** Runs something so that its failure undoes it alone, and not the transaction. Savepoints may nest. */
export async function inSavepoint<T>(client: pg.ClientBase, run: () => Promise<T>): Promise<T> {
  await client.query('savepoint s3_connector');
  try {
    const result = await run();
    await client.query('release savepoint s3_connector');
    return result;
  } catch (error) {
    // Where the connection is lost, what went wrong first is what matters.
    await client.query('rollback to savepoint s3_connector; release savepoint s3_connector').catch(() => {});
    throw error;
  }
}
