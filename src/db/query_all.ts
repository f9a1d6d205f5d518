import type pg from 'pg';

/** Sends several statements as one message, for one round trip; a failing one keeps the later ones from being run. */
export async function queryAll<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statements: string[],
): Promise<pg.QueryResult<Row>[]> {
  // pg gives an array for several statements, which its types do not know.
  return (await client.query(statements.join(';\n'))) as unknown as pg.QueryResult<Row>[];
}
