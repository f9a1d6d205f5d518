import { flightsPath } from '../demo/data.ts';
import { BUCKET, onGround } from './ground.ts';
import { MemoryWatch } from './memory.ts';

/** Three million rows in one Parquet file: seconds, and the memory of worker and readers together. */
export async function bigParquet(): Promise<void> {
  await onGround(
    ({ store }) => store.putFile(BUCKET, 'flights.parquet', flightsPath),
    async ({ importAll, client, worker }) => {
      const watch = new MemoryWatch(worker.pid!);
      const seconds = await importAll('flights', {
        pattern: '*.parquet',
        file_format: 'parquet',
        target_table: 'flights',
      });
      const peak = watch.stop();
      const { rows } = await client.query('select count(*) as rows from flights');
      console.log(
        `big_parquet: ${rows[0].rows} rows: ${seconds.toFixed(1)} s, peak memory of worker and readers ${Math.round(peak / 1e6)} MB`,
      );
    },
  );
}
