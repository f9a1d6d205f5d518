/** Sends several statements at once. */
import { once } from 'node:events';
import pg from 'pg';

/** A value that is sent as text, or as null. */
type Value = string | number | boolean | null;

/** A statement with values. They are bound: they are in no text that others can read, as in `pg_stat_activity`. */
export interface BoundStatement {
  text: string;
  values: Value[];
}

/**
 * Returns the results of several statements that are sent as one message, in a transaction block. The first that fails stops the
 * later ones.
 */
export async function queryAll<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statements: (string | BoundStatement)[],
): Promise<pg.QueryResult<Row>[]> {
  const batch = client.query(
    new Batch(statements.map((one) => (typeof one === 'string' ? { text: one, values: [] } : one))),
  );
  const [results] = await once(batch, 'end');
  // pg gives one result not as an array.
  return Array.isArray(results) ? results : [results];
}

/** The messages of the extended protocol, which pg's types do not declare. */
interface Connection {
  parse(statement: { text: string }): void;
  bind(portal: { values: (string | null)[] }): void;
  describe(of: { type: 'P' }): void;
  execute(portal: { rows: number }): void;
  sync(): void;
}

/**
 * Several queries that pg sends as one. PostgreSQL skips all after an error until the one sync at the end, and so the commit too.
 * The statements have no names: an owner's code could prepare another statement under a name, and read its values.
 */
class Batch extends pg.Query {
  readonly #statements: BoundStatement[];

  constructor(statements: BoundStatement[]) {
    super({ text: statements.map(({ text }) => text).join('; '), values: [] });
    this.#statements = statements;
  }

  /** pg calls this to choose the extended protocol. */
  requiresPreparation(): boolean {
    return true;
  }

  /** pg calls this to send the query. */
  prepare(connection: Connection): void {
    for (const { text, values } of this.#statements) {
      connection.parse({ text });
      connection.bind({ values: values.map((value) => (value === null ? null : String(value))) });
      connection.describe({ type: 'P' });
      connection.execute({ rows: 0 });
    }
    connection.sync();
  }
}
