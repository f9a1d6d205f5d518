/** A world whose connectors have all kinds of troubles, for tests of what the console says about them. */
import { after } from 'node:test';
import pg from 'pg';
import { openWorld, type World } from '../support/world.ts';

/** The connectors with a trouble, from the worst to the mildest. The others are healthy. */
export const WORST_FIRST = [
  'bucket_gone',
  'all_bad',
  'taxi_trips',
  'late_sensors',
  'shop_orders',
  'behind',
  'new_draft',
  'paused_one',
];

export const HEALTHY = 17;

/** Opens the world. One import runs until its end. */
export async function openTroubles(): Promise<World> {
  const world = await openWorld();
  const { db, put } = world;
  await db.query('create table taxi (id integer, total numeric)');
  await db.query('create table orders (id integer, price numeric)');
  await db.query('create table slow (n integer)');
  for (let n = 0; n < 20; n++)
    put(`taxi/${day(n)}.csv`, n < 14 ? `id,total_amount\n${n},5\n` : `id,total\n${n},5\n`);
  for (let n = 0; n < 3; n++) put(`all_bad/${day(n)}.csv`, 'n\n"never closed\n');
  put('sensors/2026-02-02.csv', 'n\n1\n');
  for (let n = 0; n < 5; n++) put(`orders/${day(n)}.csv`, 'id,price\n1,5\n2,five\n3,free\n4,7\n');
  for (let n = 0; n < 12; n++) put(`slow/${day(n)}.csv`, 'n\n1\n');
  for (let n = 0; n < HEALTHY; n++) put(`fine/${n}/a.csv`, `n\n${'1\n'.repeat(10 * (n + 1))}`);

  const insert = (name: string, folder: string, table: string, more: Record<string, unknown> = {}) =>
    world.insertConnector({ name, pattern: `${folder}/*`, target_table: table, ...more });
  await insert('taxi_trips', 'taxi', 'taxi');
  await insert('all_bad', 'all_bad', 'all_bad');
  await insert('late_sensors', 'sensors', 'sensors');
  await insert('shop_orders', 'orders', 'orders', { on_bad_row: 'skip' });
  await insert('paused_one', 'nothing', 'paused_one', { state: 'paused' });
  await insert('new_draft', '**', 'new_draft', { state: 'draft' });
  await insert('bucket_gone', 'x', 'bucket_gone', { bucket: 'no-such-bucket' });
  for (let n = 0; n < HEALTHY; n++)
    await insert(`fine_${String(n).padStart(2, '0')}`, `fine/${n}`, `fine_${n}`);
  await world.startWorker();
  for (const name of ['taxi_trips', 'all_bad', 'late_sensors', 'shop_orders']) await world.settled(name);
  for (let n = 0; n < HEALTHY; n++) await world.settled(`fine_${String(n).padStart(2, '0')}`);

  put('sensors/2026-01-01.csv', 'n\n1\n');
  await db.query("call s3_connector.audit('late_sensors')");
  await holdUp(world);
  await db.waitFor<{ since: Date | null }>(
    "select unavailable_since as since from s3_connector.connector_status where name = 'bucket_gone'",
    ([row]) => row?.since !== null,
  );
  return world;
}

/** Makes a connector that stays behind: its first import waits for a lock of the table. */
async function holdUp(world: World): Promise<void> {
  const locker = new pg.Client({ connectionString: world.db.url });
  await locker.connect();
  after(() => locker.end());
  await locker.query('begin; lock table slow in share mode');
  await world.insertConnector({
    name: 'behind',
    pattern: 'slow/*',
    target_table: 'slow',
    max_tracked_files: 4,
    max_parallel_files: 1,
  });
  await world.db.waitFor<{ running: string; waiting: string }>(
    "select running, waiting from s3_connector.connector_status where name = 'behind' and not caught_up",
    ([row]) => Number(row?.running) === 1 && Number(row?.waiting) >= 3,
  );
}

function day(n: number): string {
  return new Date(Date.UTC(2026, 0, 1 + n)).toISOString().slice(0, 10);
}
