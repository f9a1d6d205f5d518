import type pg from 'pg';
import { filesIn } from '../../support/files_in.ts';
import type { SoakWorker } from './worker.ts';

/** One figure, and its largest allowed growth. */
export interface Figure {
  value: number;
  limit: (start: number, filesSince: number) => number;
  bytes?: boolean;
}

export type Sample = Record<string, Figure>;

const MiB = 1 << 20;
/**
 * The most timers of a worker that has nothing to do, apart from one for each open connection: one of each place for jobs, two of
 * each share, and some of its own. Their number varies, because a place that asks for jobs has none.
 */
const OWN_TIMERS = 40;

/**
 * Figures that may not grow, taken while nothing runs. The limits are such that a resource leaked once a file
 * exceeds them within a minute: descriptors, connections, rows; and 16 KiB a file of JavaScript's memory, which varies by some MiB.
 */
export async function takeSample(
  client: pg.Client,
  workers: SoakWorker[],
  spoolDir: string,
): Promise<Sample> {
  return { ...(await ofWorkers(workers)), ...(await ofDatabase(client)), ...(await ofSpool(spoolDir)) };
}

async function ofWorkers(workers: SoakWorker[]): Promise<Sample> {
  const uses = await Promise.all(workers.map((worker) => worker.use()));
  const sum = (name: keyof (typeof uses)[number]) => uses.reduce((total, use) => total + use[name], 0);
  // Of little use within a minute: V8 and the allocators keep memory, and settle slowly. Native leaks
  // show in a long run.
  const resident = (start: number) => Math.min(start * 1.5 + 64 * MiB, start + 256 * MiB);
  return {
    'JavaScript memory': {
      value: sum('heapBytes'),
      limit: (start, files) => start + 8 * MiB + Math.min(files * 2048, 8 * MiB),
      bytes: true,
    },
    'workers, resident': {
      value: sum('residentBytes'),
      limit: resident,
      bytes: true,
    },
    'their readers, resident': {
      value: sum('childrenBytes'),
      limit: resident,
      bytes: true,
    },
    readers: { value: sum('children'), limit: (start) => Math.max(start, workers.length * 4) },
    'file descriptors': { value: sum('descriptors'), limit: (start) => start + 24 },
    'open handles': { value: sum('handles'), limit: (start) => start + 24 },
    timers: { value: sum('timers'), limit: () => sum('handles') + workers.length * OWN_TIMERS },
  };
}

async function ofDatabase(client: pg.Client): Promise<Sample> {
  const { rows } = await client.query<Record<string, string>>(
    `select
      (select count(*) from pg_stat_activity where datname = current_database() and application_name like 's3_connector%') as connections,
      (select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
        and state_change < clock_timestamp() - interval '1 second') as idle,
      (select count(*) from s3_connector_queue.jobs) as jobs,
      (select count(*) from pg_locks where locktype = 'advisory') as locks,
      (select count(*) from s3_connector_private.file_history) as history,
      (select count(*) from s3_connector_private.rejected_rows) as rejected,
      (select count(*) from s3_connector.polls) as polls,
      (select count(*) from s3_connector_private.total_changes) as changes,
      (select count(*) from s3_connector_private.requests) as requests,
      pg_total_relation_size('s3_connector.files') as files`,
  );
  const counts = rows[0]!;
  const rowsOf = (name: string, spare: number): Figure => ({
    value: Number(counts[name]),
    limit: (start) => start * 1.5 + spare,
  });
  return {
    connections: { value: Number(counts.connections), limit: (start) => start + 8 },
    'idle in transaction': { value: Number(counts.idle), limit: () => 0 },
    'jobs in the queue': { value: Number(counts.jobs), limit: () => 10 },
    'advisory locks': { value: Number(counts.locks), limit: (start) => start + 2 },
    'rows of file_history': rowsOf('history', 500),
    'rows of rejected_rows': rowsOf('rejected', 50),
    'rows of polls': rowsOf('polls', 150),
    'rows of total_changes': rowsOf('changes', 500),
    'rows of requests': rowsOf('requests', 0),
    // The record of imported keys: a row a file, some 800 bytes with its indexes.
    'size of s3_connector.files': {
      value: Number(counts.files),
      limit: (start, files) => start + MiB + files * 1200,
      bytes: true,
    },
    ...(await sizes(client)),
  };
}

/** Tables with their indexes, whose rows are temporary. */
async function sizes(client: pg.Client): Promise<Sample> {
  const { rows } = await client.query<{ name: string; size: string }>(
    `select format('%s.%s', n.nspname, c.relname) as name, pg_total_relation_size(c.oid) as size
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('s3_connector_queue', 's3_connector', 's3_connector_private') and c.relkind = 'r'
       and c.relname not in ('files') and pg_total_relation_size(c.oid) > 65536
     order by 1`,
  );
  return Object.fromEntries(
    rows.map(({ name, size }) => [
      `size of ${name}`,
      { value: Number(size), limit: (start: number) => start * 2 + MiB, bytes: true },
    ]),
  );
}

async function ofSpool(spoolDir: string): Promise<Sample> {
  return { 'files in the spool': { value: (await filesIn(spoolDir)).length, limit: () => 0 } };
}
