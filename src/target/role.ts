import pg from 'pg';

/**
 * Runs something with another role's rights, inside the caller's transaction, and takes the worker's own again.
 * After an error the transaction is lost anyway, and its rollback takes the role back.
 */
export async function asRole<T>(client: pg.ClientBase, role: string, run: () => Promise<T>): Promise<T> {
  await client.query(`set local role ${pg.escapeIdentifier(role)}`);
  const result = await run();
  await client.query('reset role');
  return result;
}
