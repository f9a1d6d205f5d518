/** Loads the tasks of a worker. */
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { TaskList } from 'graphile-worker';
import type { TaskDefinition, WorkerContext } from '../task.ts';

const TASKS = fileURLToPath(new URL('../../tasks', import.meta.url));

/** Loads tasks/. Each file is one task, named after its identifier. */
export async function loadTasks(worker: WorkerContext): Promise<TaskList> {
  const files = (await readdir(TASKS)).filter((name) => /(?<!\.d)\.(ts|js)$/.test(name));
  const tasks = files.map(async (name) => {
    const { default: define } = (await import(pathToFileURL(join(TASKS, name)).href)) as {
      default: TaskDefinition;
    };
    return [basename(name, extname(name)), define(worker)] as const;
  });
  return Object.fromEntries(await Promise.all(tasks));
}
