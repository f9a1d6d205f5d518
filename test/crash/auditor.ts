import assert from 'node:assert/strict';
import { withJobsDue } from '../faults/clock.ts';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import type { TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

/** Rows of each file. */
export const ROWS = 50;

/** A connector, and what it must have imported: the keys in the bucket, each with `ROWS` rows. */
export class Audited {
  readonly #world: World;
  /** Of the connector, of its folder, and of its table. */
  readonly name: string;
  readonly keys: string[] = [];

  private constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Inserts a connector for a folder, and its table. */
  static async insert(world: World, name: string, columns: Record<string, unknown> = {}): Promise<Audited> {
    await world.db.query(`create table ${name} (file integer, n integer, pad text, file_id bigint)`);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      file_id_column: 'file_id',
      // None of the errors is caused by the files.
      max_attempts: 100,
      ...columns,
    });
    return new Audited(world, name);
  }

  /** Puts files into the bucket, numbered after those that are there. Returns their keys. */
  put(count: number): string[] {
    const { name, keys } = this;
    const added = Array.from({ length: count }, (_, i) => {
      const file = keys.length + i;
      const key = `${name}/${String(file).padStart(4, '0')}.csv`;
      const lines = Array.from({ length: ROWS }, (_, n) => `${file},${n},${'x'.repeat(100)}`);
      this.#world.put(key, `file,n,pad\n${lines.join('\n')}\n`);
      return key;
    });
    keys.push(...added);
    return added;
  }

  /** Waits until these keys are imported. */
  async imported(keys: string[], db = this.#world.db): Promise<void> {
    await db.waitFor(
      "select from s3_connector.files where status = 'success' and key = any ($1)",
      (rows) => rows.length === keys.length,
      { values: [keys] },
    );
  }

  /** Polls and imports everything, then asserts that each key of the bucket has been imported once, and that all counts agree. */
  async assertComesOnce(db = this.#world.db): Promise<void> {
    const { name, keys } = this;
    await withJobsDue(db, async () => {
      await db.query('select s3_connector.poll_now($1)', [name]);
      await this.imported(keys, db);
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
  async assertRowsAgree(db = this.#world.db): Promise<string[]> {
    const files = await db.query<{ key: string | null; status: string | null; rows: number }>(
      `select f.key, f.status, coalesce(t.rows, 0) as rows
        from (select * from s3_connector.files where connector_name = $1) f
        full join (select file_id, count(*) as rows from ${this.name} group by file_id) t on t.file_id = f.id
        order by f.key`,
      [this.name],
    );
    const wrong = files.filter(({ status, rows }) => rows !== (status === 'success' ? ROWS : 0));
    assert.deepEqual(wrong, []);
    return files.filter(({ status }) => status === 'success').map(({ key }) => key!);
  }

  /** Asserts the same, and that the keys which were acknowledged before the crash are among the successful ones. */
  async assertKept(acknowledged: readonly string[]): Promise<void> {
    const found = await this.assertRowsAgree();
    assert.deepEqual(
      acknowledged.filter((key) => !found.includes(key)),
      [],
    );
  }
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
