/** Starts a worker in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const END_WITH_PARENT = new URL('../embedded/end_with_parent.ts', import.meta.url).href;
const KEPT_LINES = 20;

export interface BenchWorker {
  readonly pid: number;
  /** Rejects with the last lines of its log if it ends unexpectedly. */
  readonly lost: Promise<never>;
  stop(): Promise<void>;
}

/** Starts a worker and waits until it is ready. */
export async function startWorker(env: Record<string, string>): Promise<BenchWorker> {
  const worker = spawn(process.execPath, ['--import', END_WITH_PARENT, MAIN], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = once(worker, 'exit');
  const ready = Promise.withResolvers<void>();
  const lines: string[] = [];
  createInterface({ input: worker.stdout }).on('line', (line) => {
    lines.push(line);
    lines.splice(0, lines.length - KEPT_LINES);
    if (line.includes('"ready"')) ready.resolve();
  });
  const lost = exit.then(([code, signal]) => {
    throw new Error(`the worker ended unexpectedly (${signal ?? `exit code ${code}`}):\n${lines.join('\n')}`);
  });
  // After `stop` nobody handles this rejection.
  lost.catch(() => {});
  await Promise.race([ready.promise, lost]);
  return {
    pid: worker.pid!,
    lost,
    stop: async () => {
      worker.kill('SIGTERM');
      await exit;
    },
  };
}
