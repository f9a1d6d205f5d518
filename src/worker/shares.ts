/** Divides a worker's jobs into "shares": kinds of jobs with "places" of their own, which no other kind can take. */
import type { TaskList } from 'graphile-worker';
import { REQUEST_KINDS } from '../requests/request.ts';
import type { Priorities } from './queue.ts';

/** How many polls one worker runs at the same time. */
export const POLL_PLACES = 6;
/** How many requests one worker answers at the same time. */
export const REQUEST_PLACES = 4;
/** How many audits by schedule one worker continues at the same time. Two, so that the bucket of one owner does not stop another's. */
export const AUDIT_PLACES = 2;

export interface Share {
  name: 'housekeeping' | 'polls' | 'imports' | 'requests' | 'audits';
  tasks: readonly string[];
  /** How many of its jobs run at the same time in one worker. */
  places: number;
  /**
   * How often each idle place asks for a job, in milliseconds. New jobs are notified at once. This is for jobs with a later
   * time (retries, polls for events, audits), and for lost notifications.
   */
  lookEveryMs: number;
  /** The priorities of its jobs, from sql/2_lifecycle/02_queue.sql. Null: any. That is for shares that look rarely, or whose jobs a person may add. */
  priorities: Priorities | null;
  /** Whether the owners of connectors take turns (owner_turns.ts). */
  takesTurns: boolean;
}

/** Returns the shares of one worker. */
export function sharesOf(concurrency: number): readonly Share[] {
  return [
    {
      name: 'housekeeping',
      tasks: ['poll_due'],
      places: 1,
      lookEveryMs: 5000,
      priorities: null,
      takesTurns: false,
    },
    {
      name: 'polls',
      tasks: ['poll'],
      places: POLL_PLACES,
      lookEveryMs: 1000,
      priorities: [-10, -10],
      takesTurns: true,
    },
    {
      name: 'imports',
      tasks: ['import_file'],
      places: concurrency,
      lookEveryMs: 1000,
      priorities: [-1, 0],
      takesTurns: false,
    },
    {
      name: 'requests',
      tasks: REQUEST_KINDS,
      places: REQUEST_PLACES,
      lookEveryMs: 5000,
      priorities: [-20, -20],
      takesTurns: false,
    },
    {
      name: 'audits',
      tasks: ['continue_audit'],
      places: AUDIT_PLACES,
      lookEveryMs: 1000,
      priorities: [10, 10],
      takesTurns: true,
    },
  ];
}

/** The identifiers of all tasks. */
export const TASKS = sharesOf(1).flatMap(({ tasks }) => tasks);

/** How many shares a worker has. */
export const SHARES = sharesOf(1).length;

/** Returns the share's tasks. */
export function tasksOf(share: Share, all: TaskList): TaskList {
  return Object.fromEntries(share.tasks.map((name) => [name, all[name]!]));
}
