import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCrontab } from 'graphile-worker';
import { packageRoot } from '../paths.ts';
import type { WorkerContext } from '../task.ts';
import { poolConfig, requestContext, tend } from './context.ts';
import { LostJobs } from './lost_jobs.ts';
import { type Queue, startQueue } from './queue.ts';
import { QueuePool } from './queue_pool.ts';
import type { Resources } from './resources.ts';
import { queueConnections, type Share, sharesOf, tasksOf } from './shares.ts';
import { loadTasks } from './tasks.ts';

/** A share of the work, and the queue that takes its jobs. */
export interface RunningShare {
  readonly share: Share;
  readonly queue: Queue;
}

/**
 * Starts a queue for each share, over one pool of connections.
 * @param stopping aborted when the worker stops
 */
export async function startQueues(
  context: WorkerContext,
  stopping: AbortSignal,
  resources: Resources,
): Promise<RunningShare[]> {
  const { config, control, liveness } = context;
  const shares = sharesOf(config.concurrency);
  const tasks = await loadTasks(context);
  const requestTasks = await loadTasks(requestContext(context, resources));
  const crontab = parseCrontab(await readFile(join(packageRoot, 'crontab'), 'utf8'));
  const lostJobs = new LostJobs(control, liveness);
  resources.add(() => lostJobs.close());
  const connections = poolConfig(config, 'queue', queueConnections(config.concurrency));
  const pool = tend(new QueuePool(connections, stopping, () => lostJobs.look()), 'queue', resources);
  const start = async (share: Share): Promise<RunningShare> => {
    const queue = await startQueue({
      pool,
      tasks: tasksOf(share, share.name === 'requests' ? requestTasks : tasks),
      places: share.places,
      lookEveryMs: share.lookEveryMs,
      crontab: share.name === 'housekeeping' ? crontab : [],
      graceMs: config.graceMs,
      onPool: async (poolId) => {
        if (share.priorities) pool.narrow(poolId, share.priorities);
        await liveness.nameQueue(poolId);
      },
      onEvents: (events) => lostJobs.follow(events),
    });
    return { share, queue };
  };
  return await Promise.all(shares.map(start));
}
