/** Sends several statements at once. */
import type pg from 'pg';

/** Returns the results of several statements that are sent as one message. The first that fails stops the later ones. */
export async function queryAll<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statements: string[],
): Promise<pg.QueryResult<Row>[]> {
  // pg returns an array for several statements, which its types do not declare.
  return (await client.query(statements.join(';\n'))) as unknown as pg.QueryResult<Row>[];
}
