import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openWorld } from './support/world.ts';

const README = new URL('../README.md', import.meta.url);

test('the SQL session in README.md runs as it stands', async () => {
  const blocks = [...(await readFile(README, 'utf8')).matchAll(/^```sql\n(.*?)^```$/gms)].map(
    ([, sql]) => sql!,
  );
  assert.ok(blocks.length >= 8);
  const world = await openWorld();
  world.server.store.createBucket('acme-telemetry');
  const put = (key: string, body: string) => world.server.store.put('acme-telemetry', key, body);
  put('sensors/2026/01.csv', 'time,sensor,value\n2026-01-01 00:00:00Z,a,1.5\n');
  put('sensors/2026/02.csv', 'time,sensor,value\n2026-02-01 00:00:00Z,a,broken\n');
  await world.startWorker({ AWS_ENDPOINT_URL_S3: world.server.endpoint });
  for (const [i, sql] of blocks.entries()) {
    const results: { rows: Record<string, unknown>[] }[] = [];
    for (const statement of sql.split(/;\s*\n/).filter((text) => text.trim())) {
      results.push({ rows: await world.db.query(statement) });
    }
    if (i === 0) await world.settled('sensors');
    if (sql.includes('rows_total'))
      assert.deepEqual(results[0]!.rows[0], {
        ...results[0]!.rows[0],
        success: 1,
        failure: 1,
        rows_total: 1,
      });
    if (sql.includes('retry(')) {
      assert.equal(results[0]!.rows[0]!.retry, 1);
      await world.settled('sensors');
    }
  }
  assert.deepEqual(await world.db.query('select sensor, value from sensor_readings'), [
    { sensor: 'a', value: 1.5 },
  ]);
  assert.deepEqual(await world.db.query('select from s3_connector.connectors'), []);
});
