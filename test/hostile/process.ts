import { readdir, readFile } from 'node:fs/promises';

/** The resources of a process; null where the system is not Linux. */
export interface Holdings {
  /** Open file descriptors. */
  descriptors: number;
  /** Its child processes. */
  children: number[];
}

export async function holdingsOf(pid: number): Promise<Holdings | null> {
  if (process.platform !== 'linux') return null;
  const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
  return { descriptors, children: await childrenOf(pid) };
}

/** The ids of a process's children; Linux only. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
