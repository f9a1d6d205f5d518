/** Stops and kills a server with all its processes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

/**
 * Stops all processes of a server, so that nothing is written any more, as seen by a snapshot of its disk. Stops the postmaster
 * first, which could start others.
 */
export async function freeze(server: Postgres): Promise<void> {
  await until('every process of the server has stopped', async () => {
    const processes = await processesOf(server);
    for (const { pid } of processes) signal(pid, 'SIGSTOP');
    return processes.every(({ state }) => isStopped(state));
  });
}

/** Lets a frozen server continue. */
export async function thaw(server: Postgres): Promise<void> {
  for (const { pid } of await processesOf(server)) signal(pid, 'SIGCONT');
}

/** Kills all processes of a server at once, as a power cut does. It can be restarted. */
export async function cutPower(server: Postgres): Promise<void> {
  await freeze(server);
  for (const { pid } of await processesOf(server)) signal(pid, 'SIGKILL');
}

/** Stops some processes of a server, and waits until they have stopped. */
export async function stopProcesses(server: Postgres, pids: number[]): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP');
  await until('they have stopped', async () => {
    const processes = await processesOf(server);
    return processes.every(({ pid, state }) => !pids.includes(pid) || isStopped(state));
  });
}

function isStopped(state: string): boolean {
  return state.startsWith('T');
}

/** The postmaster first, then its children. */
async function processesOf({ pid: postmaster }: Postgres): Promise<{ pid: number; state: string }[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat=']);
  const all = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/) as [string, string, string])
    .map(([pid, parent, state]) => ({ pid: Number(pid), parent: Number(parent), state }));
  return [
    ...all.filter(({ pid }) => pid === postmaster),
    ...all.filter(({ parent, state }) => parent === postmaster && !state.startsWith('Z')),
  ];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended since it was listed.
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}
