import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const CSV = 'id,at,n\n1,2026-01-01,10\n2,2026-01-01,20\n2,2026-01-02,30\n';

test('a created table gets the primary key, by which later files skip rows', async () => {
  await world.importFile('keyed', CSV, { primary_key: ['id', 'at'], on_conflict: 'skip' });
  world.put('keyed/2.csv', 'id,at,n\n2,2026-01-02,99\n3,2026-01-02,40\n');
  const files = await world.pollAndSettle('keyed');
  assert.deepEqual(
    files.map(({ status, rows_imported, rows_skipped }) => [status, rows_imported, rows_skipped]),
    [
      ['success', 3, 0],
      ['success', 1, 1],
    ],
  );
  assert.deepEqual(await db.query('select n from keyed order by n'), [
    { n: 10 },
    { n: 20 },
    { n: 30 },
    { n: 40 },
  ]);
  const key =
    "select pg_get_constraintdef(oid) as key from pg_constraint where conrelid = 'keyed'::regclass and contype = 'p'";
  assert.deepEqual(await db.query(key), [{ key: 'PRIMARY KEY (id, at)' }]);
});

test('a primary key without such a column fails the file, and makes no table', async () => {
  const file = await world.importFile('lacking', CSV, { primary_key: ['id', 'nobody'] });
  assert.deepEqual([file.status, file.error_code], ['failure', 'bad_primary_key']);
  assert.match(file.error_message!, /nobody is not among the columns.*id, at, n/);
  assert.deepEqual(await db.query("select to_regclass('lacking') as made"), [{ made: null }]);
});
