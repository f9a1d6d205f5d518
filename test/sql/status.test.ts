import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';

// What connector_status, and the metrics made from it, say about waiting, late and rejected keys and rows. No worker runs here.
const db = await testDatabase();

const insert = (name: string, columns: Record<string, unknown> = {}) => {
  const row: Record<string, unknown> = {
    ...{ name, bucket: 'some-bucket', pattern: '**', file_format: 'csv', target_table: name },
    ...columns,
  };
  const names = Object.keys(row);
  return db.query(
    `insert into s3_connector.connectors (${names.join(', ')}) values (${names.map((_, n) => `$${n + 1}`).join(', ')})`,
    Object.values(row),
  );
};
const objects = (keys: string[], etag = '"x"') =>
  JSON.stringify(keys.map((key) => ({ key, etag, size_bytes: 10, last_modified: '2026-01-01' })));
const commitPoll = (name: string, keys: string[]) =>
  db.query(
    `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), clock_timestamp(), 1, 1, 1)
    from s3_connector_private.progress p where p.connector_name = $1`,
    [name, objects(keys)],
  );
const note = (name: string, json: string) =>
  db.query('select s3_connector_private.note_keys($1, $2)', [name, json]);
const importFile = async (name: string, key: string, rejected = 0) => {
  const { id } = await db.one<{ id: number }>(
    'select id from s3_connector.files where connector_name = $1 and key = $2',
    [name, key],
  );
  const { attempt_id } = await db.one<{ attempt_id: number }>(
    'select attempt_id from s3_connector_private.start_attempt($1, 1)',
    [id],
  );
  await db.asSuperuser(
    `delete from s3_connector_private.rejected_rows where file_id = ${id};
    insert into s3_connector_private.rejected_rows (file_id, line, error, raw)
      select ${id}, line, 'refused', 'x' from generate_series(1, ${rejected}) line`,
  );
  await db.query('select s3_connector_private.finish_attempt($1, $2, $3, 1, $4, 0)', [
    ...[id, attempt_id, 1 + rejected, rejected],
  ]);
};
const status = (name: string) =>
  db.one(
    `select caught_up, waiting, late, rejected, eta is not null as has_eta from s3_connector.connector_status where name = $1`,
    [name],
  );
const assertLateTotals = async () =>
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_late_totals()'), []);
const fold = () => db.query('select s3_connector_private.fold_totals()');

test('rejected rows count while their import stands, also while the file waits to be replaced', async () => {
  await db.query('create table refused (n integer, file_id bigint)');
  await insert('refused', { file_id_column: 'file_id', on_bad_row: 'skip', on_overwrite: 'reimport' });
  await commitPoll('refused', ['1', '2']);
  await importFile('refused', '1', 3);
  await importFile('refused', '2', 4);
  const rejected = async () => ((await status('refused')) as { rejected: number }).rejected;
  assert.equal(await rejected(), 7);
  await fold();
  assert.equal(await rejected(), 7);
  await note('refused', objects(['1'], '"new"'));
  await db.query("select s3_connector_private.admit_noted('refused')");
  assert.equal(await rejected(), 7, 'the old rows are still in the table');
  await importFile('refused', '1', 1);
  assert.equal(await rejected(), 5);
  await db.query("select s3_connector.undo_file('refused', '2')");
  assert.equal(await rejected(), 1);
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  await db.query('select s3_connector_private.count_totals()');
  assert.equal(await rejected(), 1);
});

test('late keys wait, and the connector has not caught up, only if it imports them', async () => {
  for (const [name, columns, waits] of [
    ['told', {}, false],
    ['imported', { late_keys: 'import' }, true],
    ['young', { late_keys: 'import', min_object_age: '100 years' }, false],
  ] as const) {
    await db.query(`create table ${name} (n integer)`);
    await insert(name, columns);
    await commitPoll(name, ['5']);
    await importFile(name, '5');
    assert.deepEqual(await status(name), {
      caught_up: true,
      waiting: 0,
      late: 0,
      rejected: 0,
      has_eta: false,
    });
    await note(name, objects(['1', '2', '3']));
    const expected = { caught_up: !waits, waiting: waits ? 3 : 0, late: 3, rejected: 0, has_eta: waits };
    assert.deepEqual(await status(name), expected, name);
    await fold();
    assert.deepEqual(await status(name), expected, `${name}, summed up`);
    await assertLateTotals();
  }
  await db.query("select s3_connector_private.admit_noted('imported')");
  assert.deepEqual(await status('imported'), {
    caught_up: true,
    waiting: 3,
    late: 0,
    rejected: 0,
    has_eta: true,
  });
  await assertLateTotals();
});

test('overwritten keys wait, and the connector has not caught up, only if it can replace their rows', async () => {
  for (const [name, columns, waits] of [
    ['kept', { file_id_column: 'file_id' }, false],
    ['replaced', { file_id_column: 'file_id', on_overwrite: 'reimport' }, true],
  ] as const) {
    await db.query(`create table ${name} (n integer, file_id bigint)`);
    await insert(name, columns);
    await commitPoll(name, ['1']);
    await importFile(name, '1');
    await note(name, objects(['1'], '"new"'));
    const { caught_up, waiting, late } = (await status(name)) as Record<string, unknown>;
    assert.deepEqual(
      { caught_up, waiting, late },
      { caught_up: !waits, waiting: waits ? 1 : 0, late: 1 },
      name,
    );
  }
  // The rows of a file from before file_id_column was set are not known.
  await db.query(
    "update s3_connector.files set lineage = null, lineage_table = null where connector_name = 'replaced'",
  );
  const { caught_up, waiting } = (await status('replaced')) as Record<string, unknown>;
  assert.deepEqual({ caught_up, waiting }, { caught_up: true, waiting: 0 });
});

test('the sums of late keys follow renamed and dropped connectors, and a truncate', async () => {
  await note('told', objects(['1', '4'], '"other"'));
  await db.query("select s3_connector.pause('told')");
  await db.query("update s3_connector.connectors set name = 'renamed' where name = 'told'");
  await assertLateTotals();
  assert.equal(((await status('renamed')) as { late: number }).late, 4);
  await db.query("select s3_connector.drop_connector('renamed')");
  await assertLateTotals();
  await fold();
  assert.deepEqual(
    await db.query(
      "select from s3_connector_private.late_totals where connector_name in ('told', 'renamed')",
    ),
    [],
  );
  await db.query('truncate s3_connector.late_files');
  await assertLateTotals();
});

test('a recheck goes on, and the next one follows it, after start_after was changed', async () => {
  await insert('moved', { late_keys: 'import', start_after: '1' });
  await commitPoll('moved', ['2', '6']);
  await db.query(
    "update s3_connector_private.progress set recheck_from = '3' where connector_name = 'moved'",
  );
  await db.query(
    "insert into s3_connector.audits (connector_name, asked, recheck, marker, position) values ('moved', false, true, '5', '2')",
  );
  await db.query("select s3_connector.pause('moved')");
  await db.query("update s3_connector.connectors set start_after = '0' where name = 'moved'");
  await db.query("select s3_connector.resume('moved')");
  const unfinished = () =>
    db.query<{ id: number; marker: string; position: string }>(
      "select id, marker, position from s3_connector.audits where connector_name = 'moved' and finished_at is null",
    );
  for (const expected of [
    { marker: '5', position: '2' },
    { marker: '6', position: '3' },
  ]) {
    const [{ id, ...recheck } = { id: 0 }] = await unfinished();
    assert.deepEqual(recheck, expected);
    await db.query('select s3_connector_private.finish_audit($1, 1)', [id]);
  }
  assert.deepEqual(await unfinished(), []);
  await db.query("select s3_connector.pause('moved'); select s3_connector.drop_connector('moved')");
});

test('an audit keeps a key that it did not see and that was seen again since, and a note keeps when it was found', async () => {
  await note('imported', objects(['0']));
  const found = () =>
    // As text, because a Date has no microseconds.
    db.query<{ found_at: string }>(
      "select found_at::text from s3_connector.late_files where connector_name = 'imported' and key = '0'",
    );
  const [before] = await found();
  const { id } = await db.one<{ id: number }>(
    "insert into s3_connector.audits (connector_name, asked, marker) values ('imported', true, '5') returning id",
  );
  const page = (position: string | null, next: string | null) =>
    db.query('select s3_connector_private.commit_audit_page($1, $2, $3, $4, 1, 1)', [
      id,
      position,
      '[]',
      next,
    ]);
  // Listed without the key. Then somebody puts it again, and a poll or an event sees it.
  await note('imported', objects(['0']));
  await page(null, '5');
  assert.deepEqual(await found(), [before]);
  await note('imported', objects(['0'], '"other"'));
  const [changed] = await found();
  assert.ok(changed!.found_at > before!.found_at);
  await db.query('select s3_connector_private.finish_audit($1, 1)', [id]);
  const again = await db.one<{ id: number }>(
    "insert into s3_connector.audits (connector_name, asked, marker) values ('imported', true, '5') returning id",
  );
  await db.query('select s3_connector_private.commit_audit_page($1, null, $2, $3, 1, 1)', [
    again.id,
    '[]',
    '5',
  ]);
  assert.deepEqual(await found(), [], 'nobody has seen it since this audit began');
});

test('metrics have the last audit and rejected rows, and a reader may read all of it', async () => {
  const finished = await db.one<{ id: number }>(
    `insert into s3_connector.audits (connector_name, asked, keys_late, keys_overwritten, finished_at)
    values ('refused', true, 2, 3, '2026-01-02 00:00Z') returning id`,
  );
  // Later ones: a failed one, and a recheck.
  await db.query(
    `insert into s3_connector.audits (connector_name, asked, recheck, finished_at, error_code)
    values ('refused', true, false, now(), 'source_unavailable'), ('refused', false, true, now(), null)`,
  );
  assert.ok(finished.id > 0);
  const reader = await db.connect();
  await reader.query('set role s3_connector_reader');
  const { rows } = await reader.query(
    `select name, value from s3_connector.metrics where labels ->> 'connector' = 'refused'
      and name in ('s3_connector_last_audit_timestamp_seconds', 's3_connector_last_audit_found_keys', 's3_connector_rejected_rows')
    order by name`,
  );
  assert.deepEqual(rows, [
    { name: 's3_connector_last_audit_found_keys', value: 5 },
    { name: 's3_connector_last_audit_timestamp_seconds', value: Date.UTC(2026, 0, 2) / 1000 },
    { name: 's3_connector_rejected_rows', value: 1 },
  ]);
  // An overwritten key that waits: the view compares it with its file.
  await note('replaced', objects(['1'], '"newest"'));
  assert.equal((await reader.query('select * from s3_connector.connector_status')).rows.length, 5);
  await reader.end();
});
