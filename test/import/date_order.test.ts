import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// 03/12/2026 is read as COPY reads it in the owner's own sessions.

const world = await openWorld();
const { db } = world;
const CSV = 'id,d\n1,03/12/2026\n2,2026-03-04\n';
before(() => world.startWorker());

let tables = 0;

/** Imports the file with the owner's settings, compares with the owner's own COPY, and returns the first date. */
async function imported(): Promise<string> {
  const name = `dates_${++tables}`;
  await db.query(`create table ${name} (id int, d date)`);
  world.put(`${name}/1.csv`, CSV);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name });
  const [file] = await world.settled(name);
  assert.equal(file!.error_message, null);
  const client = await db.connect();
  const { rows } = await client.query(
    `select id, to_char(d, 'YYYY-MM-DD') as d, d = '03/12/2026' as is_same from ${name} order by id`,
  );
  await client.end();
  assert.equal(rows[0].is_same, true, 'as the owner reads it');
  assert.equal(rows[1].d, '2026-03-04');
  return rows[0].d;
}

test('the order of the database, of the role, and of the role in the database count, in this order', async () => {
  const { name } = db.person;
  assert.equal(await imported(), '2026-03-12');
  await db.query(`alter database ${db.name} set datestyle to 'ISO, DMY'`);
  assert.equal(await imported(), '2026-12-03');
  await db.asSuperuser(`alter role ${name} in database ${db.name} set datestyle to 'SQL, MDY'`);
  assert.equal(await imported(), '2026-03-12');
  // A style without an order keeps the server's, and German has its own.
  await db.asSuperuser(`alter role ${name} in database ${db.name} set datestyle to 'Postgres'`);
  assert.equal(await imported(), '2026-03-12');
  await db.asSuperuser(`alter role ${name} in database ${db.name} set datestyle to german`);
  assert.equal(await imported(), '2026-12-03');
  await db.asSuperuser(`alter role ${name} in database ${db.name} reset datestyle`);
});

test("what the worker's logins have for themselves does not count", async () => {
  await db.query(`alter database ${db.name} reset datestyle`);
  for (const { name } of [db.worker, db.importer])
    await db.asSuperuser(`alter role ${name} in database ${db.name} set datestyle to 'ISO, DMY'`);
  await world.stopWorkers();
  await world.startWorker();
  assert.equal(await imported(), '2026-03-12');
});

test('a day that does not exist in the order is a bad row', async () => {
  await db.query(
    `alter database ${db.name} set datestyle to 'ISO, DMY'; create table no_day (id int, d date)`,
  );
  world.put('no_day/1.csv', 'id,d\n1,31/12/2026\n2,12/31/2026\n');
  await world.insertConnector({
    name: 'no_day',
    pattern: 'no_day/*',
    target_table: 'no_day',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('no_day');
  assert.deepEqual([file!.status, file!.rows_imported, file!.rows_rejected], ['success', 1, 1]);
  assert.equal((await db.one("select to_char(d, 'YYYY-MM-DD') as d from no_day")).d, '2026-12-31');
});
