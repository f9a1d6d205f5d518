import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';

// No worker runs here.
const db = await testDatabase();

const insert = (columns: Record<string, unknown>) => {
  const row = {
    name: 'c',
    bucket: 'some-bucket',
    pattern: 'a/**',
    file_format: 'csv',
    target_table: 'changed',
    change_column: 'Op',
    change_values: 'dms',
    ...columns,
  };
  return db.query(
    `insert into s3_connector.connectors (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
};

interface Refused {
  columns: Record<string, unknown>;
  /** The column that the error names. */
  column: string;
  message: RegExp;
  hint: RegExp;
}

const REFUSED: Record<string, Refused> = {
  'change_values without change_column': {
    columns: { change_column: null },
    column: 'change_values',
    message: /be null unless change_column is set/,
    hint: /Set change_column/,
  },
  'sequence_column without change_column': {
    columns: { change_column: null, change_values: null, sequence_column: 'seq' },
    column: 'sequence_column',
    message: /be null unless change_column is set/,
    hint: /Set change_column/,
  },
  'change_column without change_values': {
    columns: { change_values: null },
    column: 'change_values',
    message: /be given with change_column/,
    hint: /or a preset: debezium, dms\.$/,
  },
  'change_values that are neither a preset nor JSON': {
    columns: { change_values: 'dsm' },
    column: 'change_values',
    message: /be dms, debezium, or a JSON object .* \(got: 'dsm'\)/,
    hint: /"I": "insert"/,
  },
  'change_values with another meaning': {
    columns: { change_values: '{"I": "upsert"}' },
    column: 'change_values',
    message: /insert, update, delete or ignore/,
    hint: /"I": "insert"/,
  },
  'change_values that say nothing': {
    columns: { change_values: '{}' },
    column: 'change_values',
    message: /JSON object/,
    hint: /Example/,
  },
  'the same column twice': {
    columns: { sequence_column: 'Op' },
    column: 'sequence_column',
    message: /other than change_column/,
    hint: /Example/,
  },
  'a name for files without a header': {
    columns: { csv_skip_header: false },
    column: 'change_column',
    message: /be a position, from 1/,
    hint: /Example: 1/,
  },
  'a name of a sequence for columns by position': {
    columns: { match_columns_by: 'position', change_column: '1', sequence_column: 'seq' },
    column: 'sequence_column',
    message: /be a position, from 1/,
    hint: /Example: 1/,
  },
  on_conflict: {
    columns: { on_conflict: 'update' },
    column: 'on_conflict',
    message: /be fail, its default, with change_column \(got: 'update'\)/,
    hint: /an insert of a key that is there updates/,
  },
  late_keys: {
    columns: { late_keys: 'import' },
    column: 'late_keys',
    message: /be report with change_column/,
    hint: /older changes over newer ones/,
  },
  on_overwrite: {
    columns: { on_overwrite: 'reimport', file_id_column: 'f' },
    column: 'on_overwrite',
    message: /be ignore or report with change_column/,
    hint: /cannot be brought back/,
  },
  max_parallel_files: {
    columns: { max_parallel_files: 2 },
    column: 'max_parallel_files',
    message: /be null or 1 with change_column/,
    hint: /in key order/,
  },
  columnstore: {
    columns: { columnstore: true },
    column: 'columnstore',
    message: /be false with change_column/,
    hint: /MERGE does not/,
  },
  hive_columns: {
    columns: { hive_columns: ['Op'] },
    column: 'hive_columns',
    message: /not contain change_column/,
    hint: /columns of the file/,
  },
  file_id_column: {
    columns: { file_id_column: 'Op' },
    column: 'file_id_column',
    message: /be another column than change_column/,
    hint: /another column/,
  },
};

for (const [what, { columns, column, message, hint }] of Object.entries(REFUSED)) {
  test(`${what}: the insert refuses it`, async () => {
    const error = await insert(columns).then(
      () => assert.fail('the insert succeeded'),
      (refused: { code: string; column: string; message: string; hint: string }) => refused,
    );
    assert.deepEqual([error.code, error.column], ['22023', column]);
    assert.match(error.message, message);
    assert.match(error.hint, hint);
  });
}

test('change_values may be jsonb, and the defaults of all other settings go together with change_column', async () => {
  await db.query(`insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, change_column, change_values)
    values ('json', 'some-bucket', 'a/*', 'csv', 'changed', 'op', jsonb_build_object('+', 'insert', '-', 'delete'))`);
  await insert({
    name: 'one at a time',
    max_parallel_files: 1,
    on_overwrite: 'report',
    sequence_column: 'seq',
  });
});
