import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';

// Every column of connectors and column_mappings: the refused values, and the messages.
const db = await testDatabase();

type Columns = Record<string, unknown>;
type SqlError = Error & { code: string; hint?: string; column?: string; table?: string };

const COMPLETE: Columns = { bucket: 'some-bucket', pattern: 'a/**', file_format: 'csv', target_table: 't' };

const insertRow = (table: string, row: Columns) =>
  db.query(
    `insert into s3_connector.${table} (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
const insert = (columns: Columns) => insertRow('connectors', { name: 'c', ...COMPLETE, ...columns });
const map = (columns: Columns) => insertRow('column_mappings', { connector_name: 'mapped', ...columns });

/** Asserts a refusal that names the column, the expected and the given value, and has a hint. */
const refused = (says: RegExp, column?: string) => (error: SqlError) => {
  assert.equal(error.code, '22023', error.message);
  assert.match(`${error.message} | ${error.hint}`, says);
  assert.match(error.message, /must .*\(got: .+\)$/s);
  assert.ok(error.hint, `no hint with: ${error.message}`);
  if (column) assert.equal(error.column, column);
  return true;
};

const refusals: [columns: Columns, says: RegExp][] = [
  [{ name: null }, /name must be given/],
  [{ bucket: null }, /bucket must be given \(got: null\).*Name of the S3 bucket/],
  [{ pattern: null }, /pattern must be given/],
  [{ file_format: null }, /file_format must be given/],
  [{ target_table: null }, /target_table must be given/],
  [{ schedule: null }, /schedule must not be null.*default, '\* \* \* \* \*'/],
  [{ create_table: null }, /create_table must not be null.*default, true/],
  [{ allow_unlogged: null }, /allow_unlogged must not be null.*default, false/],
  [{ min_object_age: null }, /min_object_age must not be null/],
  [{ name: '' }, /name must be 1 to 200/],
  [{ name: ' padded' }, /name must be 1 to 200/],
  [{ name: 'two\nlines' }, /name must be 1 to 200/],
  [{ name: 'é'.repeat(101) }, /name must be 1 to 200/],
  [{ file_format: 'parket' }, /the name of a file format \(got: 'parket'\).*Similar names: 'parquet'/],
  [{ file_format: 'CSV' }, /Similar names: 'csv'/],
  [{ file_format: 'xml' }, /All are in s3_connector.file_formats/],
  [{ auth_method: 'iam' }, /worker, anonymous or iam_role.*Did you mean iam_role/],
  [{ match_columns_by: 'names' }, /Did you mean name/],
  [{ on_unknown_column: 'skip' }, /fail, ignore/],
  [{ on_missing_column: 'null' }, /default or fail/],
  [{ on_type_mismatch: 'cast' }, /fail, widen or rescue/],
  [{ rescue_column: 'rest' }, /null unless on_unknown_column or on_type_mismatch is rescue/],
  [{ max_new_columns: 0 }, /between 1 and 1600/],
  [{ on_conflict: 'upsert' }, /fail, skip or update/],
  [{ on_bad_row: 'ignore' }, /fail or skip/],
  [{ state: 'pause' }, /running, paused or draft.*Did you mean paused/],
  [{ bucket: 'fast--use1-az4--x-s3' }, /general purpose bucket/],
  [{ bucket: 's3://b' }, /bucket's name/],
  [{ bucket: 'Upper' }, /bucket's name/],
  [{ bucket: 'a..b' }, /bucket's name/],
  [{ pattern: '' }, /glob over keys/],
  [{ pattern: '/data/*.csv' }, /glob/],
  [{ pattern: 's3://bucket/data' }, /glob/],
  [{ pattern: 'data/{a,b.csv' }, /close every/],
  [{ pattern: 'data/[a.csv' }, /close every/],
  [{ pattern: 'data/!(old)*.csv' }, /pattern must not have !\(\.\.\.\).*exclude/s],
  [{ pattern: 'data/@(a|b).csv' }, /pattern must have its choices between { and }/],
  [{ pattern: 'data/*/_delta_log/*.json' }, /begins with _ or a dot .*_delta_log.*Set include_hidden/s],
  [{ pattern: '**/.*' }, /begins with _ or a dot/],
  [{ exclude: [] }, /exclude must be a list of 1 to 100 globs/],
  [{ exclude: ['a', null] }, /exclude must be a glob over keys/],
  [{ exclude: ['a', '/b'] }, /exclude must be a glob over keys.*\/b/s],
  [{ exclude: ['!(*.csv)'] }, /exclude must not have !/],
  [{ exclude: ['{a'] }, /exclude must close every/],
  [{ exclude: Array(101).fill('a') }, /exclude must be a list of 1 to 100 globs/],
  [{ include_hidden: null }, /include_hidden must not be null/],
  [{ start_after: '' }, /start_after must be a key/],
  [{ start_after: 'x'.repeat(1025) }, /at most 1024/],
  [{ schedule: '61 * * * *' }, /five cron fields/],
  [{ schedule: '* * * * * *' }, /five cron fields/],
  [{ schedule: '0 0 31 2 *' }, /match some date/],
  [{ endpoint: 'http://127.0.0.1:9000/x?y=z' }, /endpoint/],
  [{ endpoint: 'http://user@host' }, /endpoint/],
  [{ endpoint: 's3.example.com' }, /endpoint/],
  [{ endpoint: 'http://host:99999' }, /endpoint/],
  [{ region: 'Frankfurt' }, /region, such as/],
  [{ region: '' }, /region, such as/],
  [{ late_keys: 'skip' }, /late_keys must be report or import/],
  [{ on_overwrite: 'x' }, /on_overwrite must be ignore, report or reimport/],
  [
    { on_overwrite: 'reimport' },
    /on_overwrite must be ignore or report without file_id_column.*Set file_id_column/s,
  ],
  [
    { audit_schedule: '99 * * * *' },
    /audit_schedule must be null, or minute, hour, @always, @hourly, @daily, @weekly, @monthly, @yearly, or five cron fields/,
  ],
  [
    { event_queue_url: 'arn:aws:sqs:us-east-1:123456789012:q' },
    /event_queue_url must be the URL of an SQS queue/,
  ],
  [{ event_queue_url: 'https://u:p@host/q' }, /event_queue_url/],
  [{ event_queue_url: 'https://host/q?x=1' }, /event_queue_url/],
  [{ auth_method: 'iam_role' }, /role_arn must be given with auth_method iam_role/],
  [{ auth_method: 'iam_role', role_arn: 'arn:aws:iam::1:user/x' }, /ARN of a role/],
  [{ role_arn: 'arn:aws:iam::123456789012:role/reader' }, /role_arn must be null with auth_method worker/],
  [{ csv_delimiter: '' }, /csv_delimiter/],
  [{ csv_delimiter: '\n' }, /csv_delimiter/],
  [{ csv_quote: ',' }, /csv_quote/],
  [{ csv_quote: "''" }, /csv_quote must be one single-byte character that is not in csv_delimiter/],
  [{ csv_escape: '\\\\' }, /csv_escape/],
  [{ csv_null: ',' }, /csv_null/],
  [{ csv_encoding: 'utf-7' }, /csv_encoding must be an encoding that PostgreSQL can convert to UTF8/],
  [{ time_zone: 'Europe/Atlantis' }, /time_zone/],
  [{ time_zone: 'PDT' }, /time_zone/],
  [{ target_table: 'a.b.c' }, /target_table/],
  [{ target_table: 'a."b' }, /target_table/],
  [{ target_table: '' }, /target_table/],
  [{ target_table: 't'.repeat(64) }, /63 bytes/],
  [{ target_table: 's3_connector.files' }, /table of your own/],
  [{ target_table: 'pg_catalog.pg_authid' }, /table of your own/],
  [{ time_column: '' }, /time_column/],
  [{ time_column: 'é'.repeat(32) }, /63 bytes/],
  [{ file_id_column: '' }, /file_id_column/],
  [{ file_id_column: 'at', time_column: 'at' }, /other than time_column/],
  [{ file_key_column: 'at', time_column: 'at' }, /file_key_column must .* other than time_column/],
  [{ line_column: 'x'.repeat(64) }, /line_column must be a column's name of 1 to 63 bytes/],
  [{ file_id_column: 'x', line_column: 'x' }, /line_column must be another column than file_id_column/],
  [{ hive_columns: ['day'], file_key_column: 'day' }, /not contain the column that file_key_column names/],
  [{ line_column: 'l', transform: 'from file' }, /line_column must be null with transform.*row_number/s],
  [{ chunk_interval: '0' }, /chunk_interval must be above zero/],
  [{ chunk_interval: '-1 day' }, /chunk_interval/],
  [{ columnstore: true, hypertable: false }, /columnstore must be false if hypertable is false/],
  [{ segment_by: ['a'] }, /segment_by must be null unless columnstore/],
  [{ order_by: ['a'] }, /order_by must be null unless columnstore/],
  [{ columnstore: true, segment_by: [] }, /segment_by must be a list/],
  [{ columnstore: true, segment_by: ['a', null] }, /segment_by must be a list/],
  [{ columnstore: true, segment_by: ['a', 'a'] }, /each column once/],
  [{ columnstore: true, order_by: ['"Time" desc'] }, /order_by must be a list/],
  [{ columnstore: true, order_by: ['time desc, site'] }, /order_by must be a list/],
  [
    { columnstore: true, segment_by: ['a'], order_by: ['time desc', 'a  NULLS last'] },
    /order_by must name each column once/,
  ],
  [{ notify: null }, /notify must not be null.*default, true/],
  [{ on_import: '' }, /on_import must be one statement that begins with select/],
  [{ on_import: 'commit' }, /begins with select/],
  [{ on_import: 'set role postgres' }, /begins with select/],
  [{ on_import: 'do $$ begin end $$' }, /begins with select/],
  [{ on_import: `select '${'x'.repeat(65_536)}'` }, /at most 65536 bytes/],
  [{ on_import: 'select roll_up($1' }, /must be one statement of PostgreSQL's SQL.*syntax error/],
  [
    { on_import: 'select 1; drop table t' },
    /must be one statement of.*Put several statements into a function/,
  ],
  [{ on_import: 'delete from s3_connector.late_files; select $1' }, /must be one statement of.*Put several/],
  [{ primary_key: [] }, /primary_key must be a list of column names, each once/],
  [{ primary_key: ['id', 'id'] }, /primary_key must be a list of column names, each once/],
  [{ primary_key: ['id', null] }, /primary_key must be a list/],
  [{ hive_columns: [] }, /hive_columns must be a list of names/],
  [{ hive_columns: ['a', 'a'] }, /hive_columns must be a list of names, each once/],
  [{ hive_columns: ['a=b'] }, /hive_columns must be a list of names.*without = and/],
  [{ hive_columns: ['a', null] }, /hive_columns must be a list of names/],
  [
    { hive_columns: ['file'], file_id_column: 'file' },
    /hive_columns must not contain the column that file_id_column/,
  ],
  [{ transform: 'drop table file' }, /transform must be one select/],
  [{ transform: 'select 1', csv_encoding: 'latin1' }, /transform must be null with csv_encoding = 'latin1'/],
  [
    { transform: 'select 1', file_format: 'excel_de' },
    /transform must be null with decimal_separator = ','.*has no decimal_separator/,
  ],
  [{ transform: 'select 1', file_format: 'cloudfront' }, /transform must be null with comment_prefix = '#'/],
  // test/changes/settings.test.ts has more of them.
  [{ change_column: 'Op' }, /change_values must be given with change_column.*or a preset: debezium, dms/],
  [{ change_column: '', change_values: 'dms' }, /change_column must name a column of the file/],
  [{ sequence_column: 'seq' }, /sequence_column must be null unless change_column is set/],
  [
    { change_column: 'Op', change_values: 'dms', on_unknown_column: 'rescue', rescue_column: 'Op' },
    /rescue_column must be another column than change_column and sequence_column/,
  ],
  [{ file_format: 'parquet', transform: '' }, /transform must be one select/],
  [{ file_format: 'parquet', transform: "copy file to 'x'" }, /transform must be one select/],
  [{ max_bad_rows: 5 }, /max_bad_rows must be null unless on_bad_row is skip/],
  [{ max_bad_rows: -1, on_bad_row: 'skip' }, /max_bad_rows must be between 0/],
  [{ max_file_bytes: 0 }, /max_file_bytes must be between 1/],
  [{ max_row_bytes: 1073741824 }, /max_row_bytes must be between 1 and 1073741823/],
  [{ max_rows: 0 }, /max_rows must be between 1/],
  [{ max_tracked_files: 0 }, /max_tracked_files/],
  [{ max_parallel_files: 0 }, /max_parallel_files/],
  [{ max_attempts: 101 }, /max_attempts/],
  [{ min_object_age: '-1 minute' }, /min_object_age/],
  [{ min_object_age: '200 years' }, /min_object_age/],
  [{ import_timeout: '0' }, /import_timeout must be between 1 second and 7 days/],
  [{ import_timeout: '8 days' }, /import_timeout must be between 1 second and 7 days/],
  [{ retention: '0' }, /retention must be above 0/],
  [{ retention: '-1 day' }, /retention must be above 0/],
];

for (const [columns, says] of refusals) {
  test(`an insert with ${JSON.stringify(columns).slice(0, 80)} is refused with a message and a hint`, async () => {
    await assert.rejects(insert(columns), refused(says));
    assert.deepEqual(await db.query("select from s3_connector.connectors where name = 'c'"), []);
  });
}

test('every column that people set has a validation error of its own, or accepts every value of its type', async () => {
  const tested = new Set(
    refusals
      .flatMap(([, says]) => says.source.match(/[a-z_]{4,}/g) ?? [])
      .concat(refusals.flatMap(([columns]) => Object.keys(columns))),
  );
  const rows = await db.query<{ name: string }>(
    "select attname as name from pg_attribute where attrelid = 's3_connector.connectors'::regclass and attnum > 0 and not attisdropped",
  );
  const untested = rows.map((row) => row.name).filter((name) => !tested.has(name));
  assert.deepEqual(untested, [
    'path_style',
    'requester_pays',
    'stop_when_caught_up',
    'csv_skip_header',
    'owner',
    'created_at',
  ]);
});

const accepted: Columns[] = [
  { primary_key: ['id', 'Time of day'] },
  { columnstore: true, segment_by: ['a', 'B c'], order_by: ['time DESC nulls last', 'Site asc', 'x'] },

  { target_table: '"My Schema"."My Table"', time_column: 'Time of day', file_id_column: 'file' },
  { endpoint: 'http://[::1]:9000/', region: 'RegionOne', auth_method: 'anonymous' },
  { endpoint: 'https://minio_1', region: 'auto' },
  { event_queue_url: 'https://sqs.eu-central-1.amazonaws.com/123456789012/New_files-1.fifo' },
  { event_queue_url: 'http://127.0.0.1:9324/000000000000/q' },
  { region: 'us-gov-west-1', csv_encoding: 'UTF-16LE', time_zone: 'America/New_York' },
  { csv_delimiter: '||' },
  { csv_delimiter: '→', csv_quote: '' },
  { csv_delimiter: '\t', csv_quote: "'", csv_escape: '\\', csv_null: '\\N', csv_encoding: 'latin1' },
  {
    csv_delimiter: ';',
    csv_encoding: 'SJIS',
    schedule: 'hour',
    chunk_interval: '1 month',
    min_object_age: '10 minutes',
    import_timeout: '7 days',
    retention: '90 days',
  },
  {
    on_bad_row: 'skip',
    max_bad_rows: 0,
    on_conflict: 'update',
    max_parallel_files: 1,
    start_after: 'a/1',
    hypertable: false,
  },
  {
    file_format: 'parquet',
    match_columns_by: 'position',
    on_unknown_column: 'ignore',
    state: 'paused',
    create_table: false,
  },
  {
    file_format: 'parquet',
    notify: false,
    hive_columns: ['year', 'Länder code'],
    transform: ' (from file)',
    on_import: "with m as (select $1) insert into not_yet.made select ';' from m;",
  },
  { on_import: 'call later($1)' },
];

test('valid settings are accepted', async () => {
  for (const [i, columns] of accepted.entries()) await insert({ name: `accepted ${i}`, ...columns });
});

test('a role ARN of any partition, path and name is accepted', async () => {
  await insert({ auth_method: 'iam_role', role_arn: 'arn:aws-cn:iam::123456789012:role/team/reader@x' });
});

test("a duplicate name is refused with a hint, or left to the insert's on conflict clause", async () => {
  await insert({ name: 'taken' });
  await assert.rejects(insert({ name: 'taken' }), {
    code: '23505',
    message: "there is a connector named 'taken' already",
    hint: /pause\('taken'\)/,
    constraint: undefined,
  });
  const again = `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table)
    values ('taken', 'some-bucket', '**', 'csv', 't') on conflict (name) do nothing`;
  await db.query(again);
  await db.query(`create function setup() returns void language plpgsql as $$ begin ${again}; end $$`);
  await db.query('select setup()');
  assert.equal(
    (await db.one<{ pattern: string }>("select pattern from s3_connector.connectors where name = 'taken'"))
      .pattern,
    'a/**',
  );
});

test('a change is validated as an insert is, and may not use an existing name', async () => {
  await insert({ name: 'changing', state: 'paused' });
  const change = (set: string) =>
    db.query(`update s3_connector.connectors set ${set} where name = 'changing'`);
  await assert.rejects(change("schedule = 'often'"), refused(/five cron fields/, 'schedule'));
  await assert.rejects(change('bucket = null'), refused(/bucket must be given/, 'bucket'));
  await assert.rejects(change("state = 'stopped'"), refused(/running, paused or draft/, 'state'));
  await assert.rejects(change("name = 'taken'"), { code: '23505', hint: /another name/ });
});

test('a paused connector may be renamed, and its files, mappings and marker follow', async () => {
  await insert({ name: 'old name', state: 'paused', start_after: 'a/0' });
  await insertRow('column_mappings', { connector_name: 'old name', source_column: 'a', target_column: 'b' });
  await db.query("update s3_connector.connectors set name = 'new name' where name = 'old name'");
  assert.deepEqual(
    await db.query("select name, marker from s3_connector.connector_status where name like '% name'"),
    [{ name: 'new name', marker: 'a/0' }],
  );
  assert.deepEqual(await db.query('select connector_name from s3_connector.column_mappings'), [
    { connector_name: 'new name' },
  ]);
  await db.query("select s3_connector.drop_connector('new name')");
  assert.deepEqual(await db.query('select from s3_connector.column_mappings'), []);
});

test('start_after moves the marker until files were enqueued, and afterwards only forward', async () => {
  const markerAfter = async (change: string) => {
    await db.query(`select s3_connector.pause('starting')`);
    await db.query(`update s3_connector.connectors set start_after = ${change} where name = 'starting'`);
    await db.query(`select s3_connector.resume('starting')`);
    return (
      await db.one<{ marker: string | null }>(
        "select marker from s3_connector.connector_status where name = 'starting'",
      )
    ).marker;
  };
  await insert({ name: 'starting', start_after: 'a/5' });
  assert.equal(await markerAfter("'a/3'"), 'a/3');
  assert.equal(await markerAfter('null'), null);
  assert.equal(await markerAfter("'a/4'"), 'a/4');
  await db.query("select s3_connector.set_marker('starting', 'a/6')");
  assert.equal(await markerAfter("'a/5'"), 'a/6');
  assert.equal(await markerAfter("'a/7'"), 'a/7');
  await assert.rejects(markerAfter("''"), refused(/must be a key/, 'start_after'));
});

test('a connector whose settings have become invalid can still be paused', async () => {
  await insert({ name: 'outdated' });
  await db.asSuperuser(`alter table s3_connector.connectors disable trigger user;
    update s3_connector.connectors set time_zone = 'Europe/Atlantis' where name = 'outdated';
    alter table s3_connector.connectors enable trigger user`);
  await db.query("select s3_connector.pause('outdated')");
  await assert.rejects(
    db.query("update s3_connector.connectors set max_attempts = 2 where name = 'outdated'"),
    refused(/time_zone/),
  );
});

test('invalid mappings are refused with a message', async () => {
  await insert({ name: 'mapped', state: 'paused', file_id_column: 'file' });
  await map({ source_column: 'a', target_column: 'b', data_type: 'numeric(12,2)' });
  const bad: [Columns, RegExp][] = [
    [{ source_column: null }, /source_column must be given/],
    [{ connector_name: null, source_column: 'x' }, /connector_name must be given/],
    [{ source_column: '' }, /source_column must name a column/],
    [{ source_column: 'x', target_column: '' }, /target_column must be/],
    [{ source_column: 'x', target_column: 'file' }, /file_id_column/],
    [{ source_column: 'x', target_column: 'b' }, /one source column only \(got: 'b'\).*Column 'a'/],
    [{ source_column: 'x', data_type: 'text' }, /data_type must be null if target_column is null/],
    [{ source_column: 'x', target_column: 'x', data_type: 'strnig' }, /PostgreSQL type/],
    [{ source_column: 'x', target_column: 'x', data_type: 'text); drop table t; --' }, /PostgreSQL type/],
    [{ source_column: 'x', target_column: 'x', data_type: 'record' }, /PostgreSQL type/],
    [{ source_column: 'x', target_column: 'x', data_type: 'numeric(0,-2000)' }, /PostgreSQL type/],
  ];
  for (const [columns, says] of bad) await assert.rejects(map(columns), refused(says));
  await assert.rejects(map({ connector_name: 'maped', source_column: 'x' }), {
    code: '42704',
    hint: /'mapped'/,
  });
  await assert.rejects(map({ source_column: 'a' }), {
    code: '23505',
    message: /mapping of column 'a' already/,
    hint: /Update/,
  });
  await map({ source_column: 'c', target_column: 'd', data_type: 'int[]' });
  await map({ source_column: 'left out' });
  await db.query("create type mood as enum ('good')");
  await map({ source_column: 'e', target_column: 'e', data_type: 'mood' });
  // One statement may swap two names, where two statements would conflict in between.
  await db.query(
    "update s3_connector.column_mappings set target_column = case source_column when 'a' then 'd' else 'b' end where source_column in ('a', 'c')",
  );
});

test('the mappings of a running connector cannot change, unless it is created in the same transaction', async () => {
  const busy = { code: '55006', message: /pause it first/, hint: /pause\('busy'\)/ };
  const client = await db.connect();
  await client.query(`begin;
    insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table) values ('busy', 'some-bucket', '**', 'csv', 't');
    savepoint here;
    insert into s3_connector.column_mappings values ('busy', 'a', 'b');
    commit`);
  await assert.rejects(map({ connector_name: 'busy', source_column: 'x' }), busy);
  await assert.rejects(
    db.query("update s3_connector.column_mappings set target_column = 'c' where connector_name = 'busy'"),
    busy,
  );
  await assert.rejects(
    db.query("delete from s3_connector.column_mappings where connector_name = 'busy'"),
    busy,
  );
  await db.query("select s3_connector.pause('busy')");
  await db.query("delete from s3_connector.column_mappings where connector_name = 'busy'");
});
