/** The backlog of a connector: what waits, how fast files are imported, and how long it takes. */
import type { ConsoleDatabase } from '../database.ts';
import { count, roughly } from '../format.ts';
import type { FlowRow } from '../parts/flow.ts';
import { sql } from '../sql.ts';

/** Returns the files that were imported per minute of the last ten minutes, or undefined if none was. */
export async function filesPerMinute(db: ConsoleDatabase, name: string): Promise<number | undefined> {
  // Not more than the index gives quickly.
  const [row] = await db.rows<{ per_minute: number | null }>(sql`
    select count(*) / greatest(extract(epoch from now() - min(finished_at)) / 60, 1)::double precision as per_minute
    from (
      select finished_at from s3_connector.files
      where connector_name = ${name} and status = 'success' and finished_at > now() - interval '10 minutes'
      order by finished_at desc limit 10000
    ) f`);
  return row?.per_minute || undefined;
}

/** Returns the sentence: "at least 1,435 waiting; 72 files a minute; about 20 min left". Empty if nothing waits. */
export function backlogText(
  { waiting, caught_up, eta_seconds, state }: FlowRow,
  perMinute: number | undefined,
): string {
  if (waiting === '0') return '';
  return [
    `${caught_up ? '' : 'at least '}${count(waiting)} waiting`,
    ...(perMinute === undefined
      ? []
      : [`${perMinute < 1 ? 'less than 1' : count(Math.round(perMinute))} files a minute`]),
    ...(eta_seconds === null || state !== 'running' ? [] : [`about ${roughly(eta_seconds)} left`]),
  ].join('; ');
}
