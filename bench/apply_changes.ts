/** The benchmark `apply_changes`: a file of inserts, updates and deletes, and the same by COPY and a MERGE that a person writes. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { Options } from './options.ts';
import { median } from './report.ts';
import { BUCKET, QUIET, type Testbed, withTestbed } from './testbed.ts';

/** Rows of the table, and changes of the file, for each million of --rows. */
const SHARE = { rows: 0.2, changes: 0.1 };

/** Applies a file to equal tables in both ways, and compares times and tables. */
export async function applyChanges({ rows, rounds }: Options): Promise<void> {
  const [size, changes] = [Math.ceil(rows * SHARE.rows), Math.ceil(rows * SHARE.changes)];
  const body = csv(size, changes);
  await withTestbed(
    ({ store }) => store.put(BUCKET, 'changes/1.csv', body),
    async (testbed) => {
      const times = { connector: [] as number[], merge: [] as number[] };
      for (let round = 1; round <= rounds; round++) {
        times.merge.push(await byHand(testbed, size, body));
        times.connector.push(await byConnector(testbed, size));
        await assertEqual(testbed);
      }
      const [ours, hand] = [median(times.connector)!, median(times.merge)!];
      console.log(`  ${changes} changes of a table of ${size} rows, ${(body.length / 1e6).toFixed(0)} MB`);
      console.log(`  COPY and MERGE by hand: ${hand.toFixed(2)} s; connector: ${ours.toFixed(2)} s`);
      console.log(`  connector / by hand: ${(ours / hand).toFixed(2)} of the time`);
    },
    { settings: QUIET },
  );
}

/** Changes of keys all over the table and beyond its end. Every tenth key is changed a second time. */
function csv(size: number, changes: number): Buffer {
  const lines = ['Op,id,label,value'];
  for (let n = 0; n < changes; n++) {
    const id = n % 10 === 9 ? idOf(n - 1, size) : idOf(n, size);
    lines.push(`${'IUD'[n % 3]},${id},label ${n},${n / 8}`);
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

function idOf(n: number, size: number): number {
  return n % 3 === 0 ? size + n : (n * 7919) % size;
}

async function fill({ client }: Testbed, table: string, size: number): Promise<void> {
  await client.query(`drop table if exists ${table}`);
  await client.query(`create table ${table} (id bigint primary key, label text, value float8)`);
  await client.query(
    `insert into ${table} select i, 'label ' || i, i / 8.0 from generate_series(0, ${size - 1}) i`,
  );
  await client.query(`vacuum analyze ${table}`);
  await client.query('checkpoint');
}

async function byHand(testbed: Testbed, size: number, body: Buffer): Promise<number> {
  const { client } = testbed;
  await fill(testbed, 'by_hand', size);
  const start = performance.now();
  await client.query('begin');
  await client.query(
    'create temp table staged (op text, id bigint, label text, value float8, n bigint generated always as identity) on commit drop',
  );
  const copy = client.query(
    copyFrom('copy staged (op, id, label, value) from stdin with (format csv, header)'),
  );
  await pipeline(Readable.from([body]), copy);
  await client.query('analyze staged');
  await client.query(`merge into by_hand t
    using (select distinct on (id) * from staged order by id, n desc) s on t.id = s.id
    when matched and s.op = 'D' then delete
    when matched then update set label = s.label, value = s.value
    when not matched and s.op <> 'D' then insert (id, label, value) values (s.id, s.label, s.value)`);
  await client.query('commit');
  return (performance.now() - start) / 1000;
}

async function byConnector(testbed: Testbed, size: number): Promise<number> {
  await fill(testbed, 'by_connector', size);
  const seconds = await testbed.importAll('changes', {
    pattern: 'changes/*',
    file_format: 'csv',
    target_table: 'by_connector',
    change_column: 'Op',
    change_values: 'dms',
  });
  await testbed.drop('changes');
  return seconds;
}

async function assertEqual({ client }: Testbed): Promise<void> {
  const { rows } = await client.query(
    '(table by_hand except all table by_connector) union all (table by_connector except all table by_hand) limit 1',
  );
  if (rows.length > 0) throw new Error(`the tables differ: ${JSON.stringify(rows[0])}`);
}
