import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from './compile_cache.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** One line of a worker's log. */
export interface LogLine extends Record<string, unknown> {
  level: string;
  event: string;
}

/** How a worker's process ended. */
export interface WorkerEnd {
  code: number | null;
  signal: string | null;
}

/** A worker in its own process, as `npm start` runs it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Everything it has logged so far. */
  readonly lines: LogLine[];
  /** Everything it has written so far, to stdout and stderr. */
  readonly output: string;
  /** Resolves with the first line, past or future, of that event; fails if the worker ends without it. */
  logged(event: string): Promise<LogLine>;
  /** Waits for the end. */
  ended(): Promise<WorkerEnd>;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<WorkerEnd>;
}

/** Starts a worker, which may never become ready. */
export function spawnWorkerProcess(env: Record<string, string>): WorkerProcess {
  const child = spawn(process.execPath, [MAIN], {
    // Not this process's environment: a test must not depend on the machine's settings.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return follow(child);
}

function follow(child: ChildProcess): WorkerProcess {
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  const ended = once(child, 'close').then(([code, signal]): WorkerEnd => ({ code, signal }));
  let over = false;
  let stderr = '';
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    output += text;
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line.startsWith('{') ? JSON.parse(line) : { level: 'plain', event: line });
    for (const wake of waiting) wake();
  });
  void ended.then(() => {
    over = true;
    for (const wake of waiting) wake();
  });
  return {
    pid: child.pid!,
    lines,
    get output() {
      return output;
    },
    async logged(event) {
      for (;;) {
        const found = lines.find((line) => line.event === event);
        if (found) return found;
        if (over)
          throw new Error(
            `the worker ended without ${event}:\n${stderr}\n${lines.map((line) => JSON.stringify(line)).join('\n')}`,
          );
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
    },
    stderr: () => stderr,
    ended: () => ended,
    async end(signal) {
      if (!over) child.kill(signal);
      return this.ended();
    },
  };
}
