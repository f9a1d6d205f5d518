/** Starts and stops the queues of a worker, one for each share. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCrontab } from 'graphile-worker';
import { log } from '../log.ts';
import { packageRoot } from '../paths.ts';
import type { WorkerContext } from '../task.ts';
import { requestContext } from './context.ts';
import { OtherOwners } from './other_owners.ts';
import { OwnerTurns } from './owner_turns.ts';
import { type Queue, startQueue } from './queue.ts';
import { QueuePool } from './queue_pool.ts';
import type { Resources } from './resources.ts';
import { connectionsOf } from './sessions.ts';
import { type Share, sharesOf, tasksOf } from './shares.ts';
import { loadTasks } from './tasks.ts';

/** A share, and the queue that runs its jobs. */
export interface RunningShare {
  readonly share: Share;
  readonly queue: Queue;
}

/** Starts a queue for each share. All use one pool of connections. */
export async function startQueues(context: WorkerContext, resources: Resources): Promise<RunningShare[]> {
  const { config, control, liveness, lostJobs, stopping } = context;
  const shares = sharesOf(config.concurrency);
  const tasks = await loadTasks(context);
  const requestTasks = await loadTasks(requestContext(context, resources));
  const crontab = parseCrontab(await readFile(join(packageRoot, 'crontab'), 'utf8'));
  const otherOwners = new OtherOwners(control, liveness);
  resources.add(() => otherOwners.close());
  await otherOwners.start();
  const { queue: max } = connectionsOf(config.concurrency);
  const pool = new QueuePool(config.databaseUrl, max, stopping, () => lostJobs.look());
  resources.add(() => pool.end());
  const start = async (share: Share): Promise<RunningShare> => {
    const turns = share.takesTurns ? new OwnerTurns(share.places) : null;
    const queue = await startQueue({
      pool,
      tasks: tasksOf(share, share.name === 'requests' ? requestTasks : tasks),
      places: share.places,
      lookEveryMs: share.lookEveryMs,
      crontab: share.name === 'housekeeping' ? crontab : [],
      forbiddenFlags: () => otherOwners.flags,
      graceMs: config.graceMs,
      onPool: async (poolId) => {
        pool.assign(poolId, { priorities: share.priorities, turns });
        await liveness.nameQueue(poolId);
      },
      onEvents: (events) => {
        lostJobs.follow(events);
        turns?.follow(events);
      },
    });
    // An early rejection must not end the process before the worker waits for the queue.
    queue.runner.promise.catch(() => {});
    return { share, queue };
  };
  return await allOrNone(shares.map(start), resources);
}

/** Waits for all queues. If one cannot start, the others are stopped with the worker's resources. */
async function allOrNone(
  starting: readonly Promise<RunningShare>[],
  resources: Resources,
): Promise<RunningShare[]> {
  const settled = await Promise.allSettled(starting);
  const started = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  resources.add(async () => {
    await Promise.all(started.map(stop));
  });
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return started;
}

async function stop({ share, queue }: RunningShare): Promise<void> {
  await queue.runner
    .stop()
    .catch((error: Error) =>
      log.warn('queue did not stop cleanly', { share: share.name, error: error.message }),
    );
}
