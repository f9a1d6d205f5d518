/** Reads the metrics of this process. */
import { statfs } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { WorkerContext } from '../task.ts';
import { version } from '../version.ts';
import { countedFamilies } from './counters.ts';
import { type Family, gauge } from './families.ts';

/** Returns the metrics of this process: its identity, its resources, and its counters. */
export async function readProcessFamilies(worker: WorkerContext): Promise<Family[]> {
  const { config, liveness, attempts, spoolDir } = worker;
  const { bsize, blocks, bavail } = await statfs(spoolDir);
  const { user, system } = process.cpuUsage();
  const cpu = 's3_connector_worker_cpu_seconds_total';
  return [
    gauge('s3_connector_worker_info', 'Always 1; the labels say which worker this is, and its version.', 1, {
      worker: String(liveness.workerId),
      version,
    }),
    gauge(
      's3_connector_worker_start_timestamp_seconds',
      'When the process started, in Unix time.',
      performance.timeOrigin / 1000,
    ),
    gauge(
      's3_connector_worker_concurrency',
      'How many files this worker imports at the same time.',
      config.concurrency,
    ),
    gauge('s3_connector_worker_running_imports', 'Files that this worker imports now.', attempts.count),
    gauge('s3_connector_worker_spool_size_bytes', 'Size of the disk that the spool is on.', blocks * bsize),
    gauge(
      's3_connector_worker_spool_free_bytes',
      'Space that is free for the worker on the disk that the spool is on.',
      bavail * bsize,
    ),
    gauge(
      's3_connector_worker_resident_memory_bytes',
      'Memory of the process, without those that read Parquet.',
      process.memoryUsage.rss(),
    ),
    {
      name: cpu,
      type: 'counter',
      help: 'Processor time of the process, without those that read Parquet.',
      samples: [{ name: cpu, labels: {}, value: (user + system) / 1e6 }],
    },
    ...countedFamilies(),
  ];
}
