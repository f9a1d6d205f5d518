/** What connectors may say about their files. */
import { but, type Case, COLUMNS, json, many, same } from './case.ts';

export const CONNECTORS: Record<string, Case> = {
  ignoring: {
    connector: { on_unknown_column: 'ignore' },
    bodies: but(8, { 1: 'file,n,more,value\n1,1,a,b\n', 2: 'more\n1\n', 5: 'more,file,n,value\n1,5,1,b' }),
  },
  growing: {
    connector: { on_unknown_column: 'add', max_new_columns: 2 },
    bodies: but(10, {
      1: 'file,n,value,extra\n1,1,a,5\n',
      3: 'file,n,value,extra\n3,1,a,x\n',
      4: 'file,n,value,a,b,c\n4,1,2,3,4,5',
      6: 'file,n,value,late\n',
      8: 'file,n,value,when\n8,1,a,2026-01-01\n',
    }),
  },
  widening: {
    connector: { on_type_mismatch: 'widen' },
    bodies: but(8, {
      2: 'file,n,value\n2,3000000000,x\n',
      4: 'file,n,value\n4,1.5,x\n',
      6: 'file,n,value\n6,text,x\n',
    }),
  },
  rescuing: {
    columns: `${COLUMNS}, rescued jsonb`,
    connector: { on_unknown_column: 'rescue', on_type_mismatch: 'rescue', rescue_column: 'rescued' },
    bodies: but(6, { 1: 'file,n,value,extra\n1,1,a,5\n', 3: 'file,n,value\n3,x,a\n' }),
  },
  missing: {
    connector: { on_missing_column: 'fail' },
    bodies: but(6, { 2: 'file,n\n2,1\n', 4: 'file,n,value,file_id\n4,1,2,3\n' }),
  },
  positions: {
    connector: { match_columns_by: 'position' },
    bodies: but(6, { 2: 'a,b,a\n2,1,x\n', 3: 'n,file,value\n3,1,x\n', 4: 'a,b\n4,1\n' }),
  },
  skip_conflicts: {
    columns: `${COLUMNS}, primary key (file, n)`,
    connector: { on_conflict: 'skip' },
    bodies: many(5, same),
  },
  update_conflicts: {
    columns: `${COLUMNS}, primary key (file, n)`,
    connector: { on_conflict: 'update' },
    bodies: many(5, same),
  },
  changes: {
    columns: 'file integer, n integer, value text, primary key (file, n)',
    connector: { change_column: 'op', change_values: 'dms', file_id_column: null },
    bodies: many(5, (file) => `op,file,n,value\n${file % 2 ? 'D' : 'U'},1,1,v${file}\nI,2,${file},x\n`),
  },
  created: {
    columns: null,
    connector: { file_id_column: null },
    bodies: but(8, { 0: '', 1: 'file,n,value\n', 2: 'file,n,value\n2,1,x\n', 5: 'file,n,value\n5,x,y\n' }),
  },
  not_created: { columns: null, connector: { create_table: false }, bodies: many(4) },
  created_json: {
    columns: null,
    connector: { file_id_column: null, file_format: 'json' },
    bodies: many(5, (file) => json(file)),
  },
  hive: {
    columns: `${COLUMNS}, day date, place text`,
    connector: { hive_columns: ['day', 'place'] },
    keys: [
      'day=2026-01-01/place=x/a',
      'day=2026-01-01/place=y%20z/a',
      'day=2026-01-02/place=__HIVE_DEFAULT_PARTITION__/a',
      'day=2026-01-02/a',
      'day=never/place=x/a',
      'place=x/day=2026-01-01/a',
    ],
    bodies: many(6),
  },
  mapped: {
    mappings: [
      { source_column: 'number', target_column: 'n' },
      { source_column: 'left_out', target_column: null },
      { source_column: 'when', target_column: 'value', data_type: 'date' },
    ],
    bodies: many(
      6,
      (file) => `file,number,left_out,when\n${file},1,x,${file === 3 ? 'never' : '2026-01-01'}\n`,
    ),
  },
  computed: {
    mappings: [{ source_column: 'n', target_column: 'n', expression: 'value::integer * 2' }],
    bodies: but(5, { 2: 'file,n,value\n2,x,y\n' }),
  },
  followed: {
    ddl: `create table $S.t_followed (${COLUMNS}); create table $S.follow (rows bigint)`,
    connector: { on_import: 'insert into $S.follow select count(*) from $S.t_followed' },
    bodies: but(5, { 2: 'file,n,value\n' }),
  },
};
