import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { canMeasure, children, memoryBytes } from '../../../bench/measure/processes.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const END_WITH_PARENT = new URL('../../../embedded/end_with_parent.ts', import.meta.url).href;
const REPORT_MEMORY = new URL('report_memory.ts', import.meta.url).href;
const KEPT_LINES = 30;

/** The resources of one worker while it has nothing to do. */
export interface WorkerUse {
  /** JavaScript's memory after a garbage collection. */
  heapBytes: number;
  /** Sockets, pipes and the like that keep it running. */
  handles: number;
  timers: number;
  residentBytes: number;
  /** File descriptors, with its children's. */
  descriptors: number;
  children: number;
  childrenBytes: number;
}

interface Line {
  level?: string;
  event?: string;
  bytes?: number;
  handles?: number;
  timers?: number;
}

/** A worker in its own process that reports its resources on request. */
export class SoakWorker {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  readonly #lines: string[] = [];
  #lastError = '';
  #killed = false;
  #onLine: ((line: Line) => void) | undefined;

  private constructor(env: Record<string, string>) {
    const args = ['--expose-gc', '--import', END_WITH_PARENT, '--import', REPORT_MEMORY, MAIN];
    this.#process = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#exit = once(this.#process, 'exit');
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      // A kill may cut the last line.
      if (this.#killed) return;
      this.#lines.push(line);
      this.#lines.splice(0, this.#lines.length - KEPT_LINES);
      const parsed: Line = JSON.parse(line);
      if (parsed.level === 'error') this.#lastError = line;
      this.#onLine?.(parsed);
    });
  }

  /** Resolves when it takes work. */
  static async start(env: Record<string, string>): Promise<SoakWorker> {
    const worker = new SoakWorker(env);
    await worker.#next('ready');
    return worker;
  }

  async use(): Promise<WorkerUse> {
    const pid = this.#process.pid!;
    const reported = this.#next('memory');
    this.#process.kill('SIGUSR2');
    const { bytes = 0, handles = 0, timers = 0 } = await reported;
    const below = canMeasure ? children(pid) : [];
    return {
      heapBytes: bytes,
      handles,
      timers,
      residentBytes: memoryBytes(pid),
      descriptors: [pid, ...below].reduce((sum, one) => sum + descriptors(one), 0),
      children: below.length,
      childrenBytes: below.reduce((sum, child) => sum + memoryBytes(child), 0),
    };
  }

  /** Its last lines of the log, and the last error. */
  get log(): string {
    return [...this.#lines, `last error: ${this.#lastError || 'none'}`].join('\n');
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /** @throws if it does not end cleanly */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const [code, signal] = await this.#exit;
    if (code !== 0) throw new Error(`a worker ended with ${signal ?? code}:\n${this.log}`);
  }

  async #next(event: string): Promise<Line> {
    const found = new Promise<Line>((resolve) => {
      this.#onLine = (line) => {
        if (line.event === event) resolve(line);
      };
    });
    const lost = this.#exit.then(() => {
      throw new Error(`a worker ended by itself:\n${this.log}`);
    });
    // The second of the two events is not needed.
    lost.catch(() => {});
    return await Promise.race([found, lost]).finally(() => {
      this.#onLine = undefined;
    });
  }
}

function descriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    // It has ended, or this is not Linux.
    return 0;
  }
}
