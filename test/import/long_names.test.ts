import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// PostgreSQL cuts names to 63 bytes. Files have longer ones: a form's header is its question.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const QUESTION = 'How satisfied are you with the service that you got from us this quarter, overall?';
const COMMENT = `${QUESTION} (comment)`;
const UMLAUTS = `${'ä'.repeat(31)}xä and more`;

const columnsOf = async (table: string) =>
  (
    await db.query<{ attname: string }>(
      `select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum`,
      [table],
    )
  ).map(({ attname }) => attname);

const succeeded = async (name: string) => {
  const files = await world.settled(name);
  for (const file of files) assert.equal(file.status, 'success', file.error_message ?? '');
};

test('a header of more than 63 bytes makes a column with the cut name, which all files fill', async () => {
  world.put('long/1.csv', `id,"${QUESTION}",${UMLAUTS}\n1,5,a\n`);
  world.put('long/2.csv', `"${QUESTION}",id,${UMLAUTS}\n4,2,b\n`);
  await world.insertConnector({
    name: 'long',
    pattern: 'long/*',
    target_table: 'long_names',
    on_unknown_column: 'ignore',
  });
  await succeeded('long');
  const [, question, umlauts] = await columnsOf('long_names');
  assert.equal(question, QUESTION.slice(0, 63));
  assert.equal(umlauts, `${'ä'.repeat(31)}x`);
  assert.deepEqual(await db.query('select * from long_names order by id'), [
    { id: 1, [question!]: 5, [umlauts!]: 'a' },
    { id: 2, [question!]: 4, [umlauts!]: 'b' },
  ]);
});

test('names that are the same in their first 63 bytes get numbers, and later files may order them otherwise', async () => {
  world.put('alike/1.csv', `"${COMMENT}","${QUESTION}"\nok,5\n`);
  world.put('alike/2.csv', `"${QUESTION}","${COMMENT}"\n4,fine\n`);
  world.put('alike/3.csv', `"${QUESTION}"\n3\n`);
  await world.insertConnector({ name: 'alike', pattern: 'alike/*', target_table: 'alike_names' });
  await succeeded('alike');
  const [first, second] = await columnsOf('alike_names');
  assert.deepEqual([first, second], [QUESTION.slice(0, 63), `${QUESTION.slice(0, 61)}_2`]);
  assert.deepEqual(
    await db.query(`select "${first}" as comment, "${second}" as rating from alike_names order by 2`),
    [
      { comment: null, rating: 3 },
      { comment: 'fine', rating: 4 },
      { comment: 'ok', rating: 5 },
    ],
  );
});

test('a long name that the table has no column for is unknown, even if its first 63 bytes are those of another', async () => {
  world.put('other/1.csv', `id,"${QUESTION}"\n1,5\n`);
  await world.insertConnector({ name: 'other', pattern: 'other/*', target_table: 'other_names' });
  await world.settled('other');
  world.put('other/2.csv', `id,"${COMMENT}"\n2,ok\n`);
  const [, file] = await world.pollAndSettle('other');
  assert.equal(file!.error_code, 'unknown_column', file!.error_message ?? 'no error');
});

test('a table that somebody else made has the cut name', async () => {
  await db.query(`create table made_by_hand ("${QUESTION}" integer, "${UMLAUTS}" text)`);
  world.put('by-hand/1.csv', `${UMLAUTS},"${QUESTION}"\na,5\n`);
  await world.insertConnector({ name: 'by-hand', pattern: 'by-hand/*', target_table: 'made_by_hand' });
  await succeeded('by-hand');
  assert.deepEqual(
    (await db.query<Record<string, unknown>>('select * from made_by_hand')).map((row) => Object.values(row)),
    [[5, 'a']],
  );
});

test('column_mappings may name a long name', async () => {
  world.put('mapped-long/1.csv', `"${COMMENT}","${QUESTION}"\nok,5\n`);
  await world.insertConnector({
    name: 'mapped-long',
    pattern: 'mapped-long/*',
    target_table: 'mapped_names',
    state: 'paused',
  });
  await db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column)
      values ('mapped-long', $1, 'rating'), ('mapped-long', $2, 'remark')`,
    [QUESTION, COMMENT],
  );
  await db.query("select s3_connector.resume('mapped-long')");
  await succeeded('mapped-long');
  assert.deepEqual(
    (await db.query<Record<string, unknown>>('select * from mapped_names')).map((row) => Object.values(row)),
    [['ok', 5]],
  );
  assert.deepEqual(await columnsOf('mapped_names'), ['remark', 'rating']);
});

test('columns of Parquet and of the key are cut alike', async () => {
  const part = `region_${'of_the_world_'.repeat(6)}`;
  const body = await parquetOf(`select 1 as id, 'good' as "${QUESTION}", 'ok' as "${COMMENT}"`);
  world.put(`columns/${part}=north/1.parquet`, body);
  world.put(`columns/${part}=south/2.parquet`, body);
  await world.insertConnector({
    name: 'columns',
    pattern: 'columns/**',
    file_format: 'parquet',
    target_table: 'cut_columns',
    hive_columns: [part],
  });
  await succeeded('columns');
  assert.deepEqual(
    (await db.query<Record<string, unknown>>('select * from cut_columns order by 4')).map((row) =>
      Object.values(row),
    ),
    [
      [1, 'good', 'ok', 'north'],
      [1, 'good', 'ok', 'south'],
    ],
  );
  assert.equal((await columnsOf('cut_columns')).at(-1), part.slice(0, 63));
});
