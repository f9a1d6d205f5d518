/** Reads CPU and memory of processes from Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
import { existsSync, readFileSync } from 'node:fs';

/** Whether processes can be measured: only on Linux. */
export const canMeasure = existsSync(childrenFile(process.pid));

/** USER_HZ, the unit of CPU times in /proc: 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds, user plus system. */
export interface CpuTime {
  own: number;
  /** The time of all its descendants that have ended. */
  ended: number;
}

/** Returns the CPU time of a process, or undefined if it has ended. */
export function cpuTime(pid: number): CpuTime | undefined {
  // The name in parentheses can contain spaces.
  const fields = readProc(`${pid}/stat`).split(') ').at(-1)!.split(' ').map(Number);
  if (fields.length < 15) return undefined;
  const [user, system, endedUser, endedSystem] = fields.slice(11, 15) as [number, number, number, number];
  return { own: (user + system) / TICKS_PER_SECOND, ended: (endedUser + endedSystem) / TICKS_PER_SECOND };
}

export function children(pid: number): number[] {
  return readProc(childrenFile(pid).slice('/proc/'.length)).split(' ').filter(Boolean).map(Number);
}

/** Returns the pids of a process and all its descendants. */
export function processTree(pid: number): number[] {
  return [pid, ...children(pid).flatMap(processTree)];
}

/** Returns the CPU seconds of a process and all its descendants, including those that have ended. */
export function processTreeCpu(pid: number): number {
  for (;;) {
    const before = cpuTime(pid);
    const below = children(pid).reduce((sum, child) => sum + processTreeCpu(child), 0);
    const after = cpuTime(pid);
    // If a child ended in between, it is counted twice or not at all: try again.
    if (before?.ended === after?.ended) return below + (after ? after.own + after.ended : 0);
  }
}

/** Returns the CPU seconds of all processes since the machine started. */
export function machineCpu(): number {
  // The first line has: user, nice, system, idle, iowait, irq, softirq, steal.
  const [user, nice, system, , , ...rest] = readProc('stat')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1, 9)
    .map(Number);
  return (
    [user, nice, system, ...rest].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / TICKS_PER_SECOND
  );
}

/** Returns the proportional set size: shared pages are divided among processes, so sums count them once. It is slow. */
export function memoryBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readProc(`${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** Returns the number of resident pages, including shared ones. It is fast. */
export function residentPages(pid: number): number {
  return Number(readProc(`${pid}/statm`).split(' ')[1] ?? 0);
}

/** Returns the command line, which is the title of a PostgreSQL process. */
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
    // The process has ended.
    return '';
  }
}
