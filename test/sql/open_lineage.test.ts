import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
await db.query(
  'create table rows (a integer, file_id bigint); create schema "my schema"; create table "my schema"."t.1" (a integer)',
);
await world.startWorker();

interface Facet {
  _producer: string;
  _schemaURL: string;
}

interface RunEvent {
  eventType: string;
  eventTime: string;
  producer: string;
  schemaURL: string;
  run: { runId: string; facets: { errorMessage?: Facet & { message: string } } };
  job: { namespace: string; name: string; facets: Record<string, Facet> };
  inputs: {
    namespace: string;
    name: string;
    inputFacets: { inputStatistics?: Facet & Record<string, unknown> };
  }[];
  outputs: {
    namespace: string;
    name: string;
    outputFacets: { outputStatistics?: Facet & Record<string, unknown> };
  }[];
}

interface Row {
  key: string;
  event_type: string;
  run_id: string;
  event: RunEvent;
}

const eventsOf = (name: string) =>
  db.query<Row>(
    'select key, event_type, run_id, event from s3_connector.open_lineage_events where connector_name = $1 order by id',
    [name],
  );

test('an attempt is a run with a START and an end, from the object to the table', async () => {
  world.put('ok/1.csv', 'a\n1\n2\n');
  world.put('ok/2.csv', 'a\nx\n');
  await world.insertConnector({ name: 'ok', pattern: 'ok/*', target_table: 'rows' });
  await world.settled('ok');
  const rows = await eventsOf('ok');
  for (const [key, end] of [
    ['ok/1.csv', 'COMPLETE'],
    ['ok/2.csv', 'FAIL'],
  ]) {
    const run = rows.filter((row) => row.key === key);
    assert.deepEqual(
      run.map(({ event_type }) => event_type),
      ['START', end],
    );
    assert.equal(new Set(run.map(({ run_id }) => run_id)).size, 1);
  }
  assert.equal(new Set(rows.map(({ run_id }) => run_id)).size, 2);

  const { database } = await db.one<{ database: string }>('select current_database() as database');
  for (const { event, event_type, run_id, key } of rows) {
    assert.deepEqual([event.eventType, event.run.runId], [event_type, run_id]);
    assert.match(event.run.runId, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(event.eventTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.ok(Math.abs(Date.parse(event.eventTime) - Date.now()) < 3_600_000, event.eventTime);
    for (const url of [event.producer, event.schemaURL]) assert.ok(URL.canParse(url), url);
    const [input, output] = [event.inputs[0]!, event.outputs[0]!];
    assert.deepEqual([input.namespace, input.name], [`s3://${world.bucket}`, key]);
    assert.match(output.namespace, /^postgres:\/\/[^/]+:\d+$/);
    assert.equal(output.name, `${database}.public.rows`);
    assert.deepEqual([event.job.namespace, event.job.name], [`${output.namespace}/${database}`, 'ok']);
    const facets = [
      ...Object.values(event.run.facets),
      ...Object.values(event.job.facets),
      ...Object.values(input.inputFacets),
      ...Object.values(output.outputFacets),
    ];
    for (const { _producer, _schemaURL } of facets)
      for (const url of [_producer, _schemaURL]) assert.ok(URL.canParse(url), url);
  }
  const complete = rows.find(({ event_type }) => event_type === 'COMPLETE')!.event;
  const { rowCount, size, fileCount } = complete.inputs[0]!.inputFacets.inputStatistics!;
  assert.deepEqual([rowCount, size, fileCount], [2, 6, 1]);
  assert.equal(complete.outputs[0]!.outputFacets.outputStatistics!.rowCount, 2);
  const failed = rows.find(({ event_type }) => event_type === 'FAIL')!.event;
  assert.match(failed.run.facets.errorMessage!.message, /^bad_value: .*line 2, column a: .*"x"/);
});

test('a file that is imported again has a second run, and only the last one has counts', async () => {
  world.put('again/1.csv', 'a\n1\n');
  await world.insertConnector({
    name: 'again',
    pattern: 'again/*',
    target_table: 'rows',
    file_id_column: 'file_id',
  });
  await world.settled('again');
  await db.query("select s3_connector.reimport_file('again', 'again/1.csv')");
  await db.waitFor(
    "select from s3_connector.file_history where connector_name = 'again' and to_status = 'success'",
    (found) => found.length === 2,
  );
  const rows = await eventsOf('again');
  assert.deepEqual(
    rows.map(({ event_type }) => event_type),
    ['START', 'COMPLETE', 'START', 'COMPLETE'],
  );
  assert.equal(new Set(rows.map(({ run_id }) => run_id)).size, 2);
  assert.deepEqual(
    rows.map(({ event }) => event.inputs[0]!.inputFacets.inputStatistics?.rowCount),
    [undefined, undefined, undefined, 1],
  );
});

test('a cancelled attempt is an ABORT; the namespace can be set; a reader may read it', async () => {
  world.put('stop/1.csv', 'a\n1\n');
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'stop/1.csv',
    stall: { after: 1 },
  });
  await world.insertConnector({ name: 'stop', pattern: 'stop/*', target_table: '"my schema"."t.1"' });
  await stalled.hit();
  await db.query("select s3_connector.cancel_file('stop', 'stop/1.csv')");
  stalled.cancel();
  const role = await db.createRole();
  await db.query(`grant s3_connector_reader to ${role.name}`);
  const client = await db.connect(role);
  await client.query("set s3_connector.open_lineage_namespace = 'postgres://db.example.com:5432'");
  const { rows } = await client.query<Row>(
    "select event_type, event from s3_connector.open_lineage_events where connector_name = 'stop' order by id",
  );
  assert.deepEqual(
    rows.map(({ event_type }) => event_type),
    ['START', 'ABORT'],
  );
  const { database } = await db.one<{ database: string }>('select current_database() as database');
  for (const { event } of rows) {
    assert.equal(event.outputs[0]!.namespace, 'postgres://db.example.com:5432');
    assert.equal(event.outputs[0]!.name, `${database}.my schema.t.1`);
    assert.equal(event.job.namespace, `postgres://db.example.com:5432/${database}`);
  }
});
