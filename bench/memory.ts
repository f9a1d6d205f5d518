import { readdirSync, readFileSync } from 'node:fs';

/** Follows the resident memory of a process and all below it (Linux), by looking every 20 ms. */
export class MemoryWatch {
  #peak = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.#peak = Math.max(this.#peak, treeBytes(pid));
    }, 20);
  }

  /** Ends the watch; the highest sum seen, in bytes. */
  stop(): number {
    clearInterval(this.#timer);
    return this.#peak;
  }
}

function treeBytes(root: number): number {
  const children = Map.groupBy(processes(), (process) => process.parent);
  const sum = (pid: number): number =>
    residentBytes(pid) + (children.get(pid) ?? []).reduce((total, child) => total + sum(child.pid), 0);
  return sum(root);
}

function processes(): { pid: number; parent: number }[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.map((pid) => ({
    pid,
    parent: Number(readProc(pid, 'stat').split(') ')[1]?.split(' ')[1] ?? 0),
  }));
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readProc(pid, 'status'))?.[1] ?? 0) * 1024;
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended since it was listed.
    return '';
  }
}
