import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();
after(async () => {
  // A file's own hooks may still use its database.
  await db.query('select 1');
});

const SCHEMAS = `select nspname from pg_namespace where nspname = 's3_connector'`;

describe('a test database', () => {
  test('has the migrations, or nothing', async () => {
    const empty = await testDatabase({ empty: true });
    assert.equal((await db.query(SCHEMAS)).length, 1);
    assert.equal((await empty.query(SCHEMAS)).length, 0);
  });

  test('can be created many times at once', async () => {
    const databases = await Promise.all(Array.from({ length: 4 }, () => testDatabase()));
    assert.equal(new Set(databases.map(({ name }) => name)).size, 4);
    await Promise.all(databases.map((database) => database.drop()));
  });

  test('returns integers as numbers where they are exact', async () => {
    assert.deepEqual(await db.one('select 7::bigint as small, 9007199254740993 as large'), {
      small: 7,
      large: '9007199254740993',
    });
  });

  test('one() requires exactly one row', async () => {
    await assert.rejects(db.one('select generate_series(1, 2) as n'), /expected one row, got 2/);
  });

  test('waits for a condition of other sessions, and its error shows the last rows', async () => {
    await db.query('create table seen (id bigint)');
    const seen = db.waitFor('select id from seen', (rows) => rows.length === 1);
    const session = await db.connect();
    await session.query('insert into seen values (1)');
    assert.deepEqual(await seen, [{ id: 1 }]);
    await assert.rejects(
      db.waitFor('select id from seen where id = $1', (rows) => rows.length > 1, {
        values: [1],
        timeoutMs: 60,
      }),
      /waited 60 ms in vain.*\{"id":1\}/s,
    );
  });

  test('is dropped with its sessions and roles', async () => {
    const other = await testDatabase({ empty: true });
    const role = await other.createRole();
    const session = await other.connect(role);
    assert.deepEqual((await session.query('select current_user as who')).rows, [{ who: role.name }]);
    await other.query(`grant create on schema public to ${role.name}`);
    await other.drop();
    const left = `select datname from pg_database where datname = $1 union all select rolname from pg_roles where rolname = $2`;
    assert.deepEqual(await db.query(left, [other.name, role.name]), []);
  });
});
