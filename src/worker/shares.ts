import type { TaskList } from 'graphile-worker';
import { REQUEST_KINDS } from '../ask/request.ts';
import type { Priorities } from './queue.ts';

/** Polls that one worker makes side by side. */
export const POLL_PLACES = 4;
/** Requests that one worker answers side by side. */
export const REQUEST_PLACES = 4;

/** A "share": a kind of work with "places" of its own, which no other kind of work can take. */
export interface Share {
  name: 'housekeeping' | 'polls' | 'imports' | 'requests';
  tasks: readonly string[];
  /** Jobs side by side in one worker. */
  places: number;
  /**
   * How often each idle place asks for a job, in milliseconds. A notification tells of a new job at once. This is for jobs with a
   * later time (retries, polls for events), and for when notifications are lost.
   */
  lookEveryMs: number;
  /** The priorities that sql/29_queue.sql gives its jobs. Null: those of any; for few looks, and jobs that a person may add. */
  priorities: Priorities | null;
}

/** The shares of one worker. */
export function sharesOf(concurrency: number): readonly Share[] {
  return [
    { name: 'housekeeping', tasks: ['poll_due'], places: 1, lookEveryMs: 5000, priorities: null },
    { name: 'polls', tasks: ['poll'], places: POLL_PLACES, lookEveryMs: 1000, priorities: [-10, -10] },
    { name: 'imports', tasks: ['import_file'], places: concurrency, lookEveryMs: 1000, priorities: [-1, 0] },
    {
      name: 'requests',
      tasks: REQUEST_KINDS,
      places: REQUEST_PLACES,
      lookEveryMs: 5000,
      priorities: [-20, -20],
    },
  ];
}

/** How many shares a worker has. */
export const SHARES = sharesOf(1).length;

/** The share's tasks. */
export function tasksOf(share: Share, all: TaskList): TaskList {
  return Object.fromEntries(share.tasks.map((name) => [name, all[name]!]));
}
