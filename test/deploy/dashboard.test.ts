import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';

const DASHBOARD = new URL('../../deploy/grafana/s3_connector.json', import.meta.url);

interface Panel {
  id: number;
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { rawSql: string; format: string }[];
}

interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; type: string; query: string }[] };
}

const dashboard: Dashboard = JSON.parse(await readFile(DASHBOARD, 'utf8'));
const SCALARS = ['time', 'metric'];

/** The replacements that Grafana's PostgreSQL data source makes for its macros and for a variable with several values. */
function fillIn(sql: string): string {
  const filled = sql
    .replaceAll(
      /\$__timeFilter\((\w+)\)/g,
      "$1 between now() - interval '1 day' and now() + interval '1 minute'",
    )
    .replaceAll(
      /\$__timeGroupAlias\((\w+), \$__interval\)/g,
      'floor(extract(epoch from $1) / 60) * 60 as "time"',
    )
    .replaceAll('$connector', "'dash','it''s another'");
  assert.doesNotMatch(filled, /\$/, 'a macro or a variable that this test does not know');
  return filled;
}

test('every query of the dashboard runs as a reader, and returns data', async () => {
  const world = await openWorld();
  const { db } = world;
  world.put('dash/1.csv', 'a\n1\n2\n');
  world.put('dash/2.csv', 'a\nx\n');
  world.put('dash/3.csv', 'a\n3\n');
  await db.query('create table dash (a integer)');
  await world.startWorker();
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'dash/3.csv',
    stall: { after: 1 },
  });
  await world.insertConnector({ name: 'dash', pattern: 'dash/*', target_table: 'dash' });
  await world.insertConnector({
    name: "it's another",
    bucket: 'no-such-bucket',
    pattern: '*',
    target_table: 'another',
  });
  await stalled.hit();
  await db.waitFor(
    "select success + failure as done from s3_connector.connector_status where name = 'dash'",
    ([row]) => row?.done === 2,
  );
  await db.waitFor('select from s3_connector.polls where error is not null', (rows) => rows.length > 0);

  const reader = await db.createRole();
  await db.query(`grant s3_connector_reader to ${reader.name}`);
  const client = await db.connect(reader);
  const variable = dashboard.templating.list.find((one) => one.name === 'connector')!;
  assert.deepEqual((await client.query(variable.query)).rows, [{ name: 'dash' }, { name: "it's another" }]);
  for (const panel of dashboard.panels) {
    for (const { rawSql, format } of panel.targets) {
      const { rows, fields } = await client.query(fillIn(rawSql));
      assert.ok(rows.length > 0, `${panel.title} shows nothing`);
      if (format === 'time_series') {
        assert.equal(fields[0]!.name, 'time', panel.title);
        const values = fields.map(({ name }) => name).filter((name) => !SCALARS.includes(name));
        assert.ok(values.length > 0, panel.title);
      }
    }
  }
  stalled.cancel();
});

test('panels have unique ids and descriptions, and do not overlap', () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const [i, { gridPos: a, title }] of panels.entries()) {
    assert.ok(a.x + a.w <= 24, title);
    for (const { gridPos: b, title: other } of panels.slice(i + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert.ok(apart, `${title} over ${other}`);
    }
  }
});
