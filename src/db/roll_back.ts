/** Rolls back a transaction on a session that goes back into its pool. */
import type pg from 'pg';

/** Rolls back. Returns the error if the session cannot be used again, for `release`. */
export async function rollBack(client: pg.ClientBase): Promise<Error | undefined> {
  return await client.query('rollback').then(
    () => undefined,
    (error: Error) => error,
  );
}
