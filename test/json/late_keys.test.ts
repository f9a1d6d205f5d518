import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// The worker plans the columns by the keys of the first 256 KB. What comes later, or under another name, must land all the same.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

interface Load {
  table: string;
  rows?: string;
  file: string;
  connector?: Record<string, unknown>;
  mappings?: [source: string, target: string][];
}

/** Imports a file into a table of the name, and returns how it ended. */
async function load(name: string, { table, rows, file, connector = {}, mappings = [] }: Load) {
  await db.query(`create table ${name} (${table})`);
  if (rows) await db.query(`insert into ${name} values ${rows}`);
  world.put(`${name}/1.json`, file);
  await db.query('begin');
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'json',
    ...connector,
  });
  for (const [source, target] of mappings)
    await db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ($1, $2, $3)',
      [name, source, target],
    );
  await db.query('commit');
  const [ended] = await world.settled(name);
  assert.equal(ended!.error_message, null);
  return ended!;
}

test('a path and a key that name the same value fill two columns', async () => {
  await load('same_value', {
    table: 'id int, copy int, again int',
    file: '{"id":1}\n{"id":2}\n',
    mappings: [
      ['$.id', 'copy'],
      ['$."id"', 'again'],
    ],
  });
  assert.deepEqual(await db.query('select * from same_value order by id'), [
    { id: 1, copy: 1, again: 1 },
    { id: 2, copy: 2, again: 2 },
  ]);
});
