// What Linux says of processes: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
import { existsSync, readFileSync } from 'node:fs';

/** Whether the operating system can be asked; it is Linux that can. */
export const canMeasure = existsSync(childrenFile(process.pid));

/** USER_HZ, the unit of CPU times in /proc: 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system together. */
export interface CpuTime {
  own: number;
  /** Of its children that have ended, and of theirs. */
  ended: number;
}

/** Undefined once the process has ended. */
export function cpuTime(pid: number): CpuTime | undefined {
  // The name in parentheses before may hold spaces.
  const fields = readProc(`${pid}/stat`).split(') ').at(-1)!.split(' ').map(Number);
  if (fields.length < 15) return undefined;
  const [user, system, endedUser, endedSystem] = fields.slice(11, 15) as [number, number, number, number];
  return { own: (user + system) / TICKS_PER_SECOND, ended: (endedUser + endedSystem) / TICKS_PER_SECOND };
}

export function children(pid: number): number[] {
  return readProc(childrenFile(pid).slice('/proc/'.length)).split(' ').filter(Boolean).map(Number);
}

/** The process and all below it. */
export function family(pid: number): number[] {
  return [pid, ...children(pid).flatMap(family)];
}

/** CPU seconds of a process and all below it, those that have ended too. */
export function familyCpu(pid: number): number {
  for (;;) {
    const before = cpuTime(pid);
    const below = children(pid).reduce((sum, child) => sum + familyCpu(child), 0);
    const after = cpuTime(pid);
    // A child that ended in between is in neither sum, or in both.
    if (before?.ended === after?.ended) return below + (after ? after.own + after.ended : 0);
  }
}

/** CPU seconds that all processes took since the machine started. */
export function machineCpu(): number {
  // The first line: user, nice, system, idle, waiting for the disk, interrupts (two kinds), stolen by other machines.
  const [user, nice, system, , , ...rest] = readProc('stat')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1, 9)
    .map(Number);
  return (
    [user, nice, system, ...rest].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / TICKS_PER_SECOND
  );
}

/** Resident memory. Of a page that several processes share, each has its part: so sums count it once. Linux looks at every page for it. */
export function memoryBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readProc(`${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** Resident pages, those that it shares with others too: cheap to ask for. */
export function residentPages(pid: number): number {
  return Number(readProc(`${pid}/statm`).split(' ')[1] ?? 0);
}

/** What it says it is, or does. */
export function title(pid: number): string {
  return readProc(`${pid}/cmdline`);
}

function childrenFile(pid: number): string {
  return `/proc/${pid}/task/${pid}/children`;
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}
