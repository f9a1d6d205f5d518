import { type ChildProcess, fork } from 'node:child_process';
import { on } from 'node:events';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ConnectorError } from '../../errors.ts';
import { type ReaderAnswer, type ReaderColumn, type ReaderRequest, spillDirectory } from './protocol.ts';

const READER = fileURLToPath(
  import.meta.resolve(`./reader${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`),
);
/** What DuckDB may use in a reader process. */
export interface ReaderLimits {
  /** Its own limit, such as `192MB`; the process takes more. */
  memory: string;
  threads: number;
}

/** Reader processes, made when first needed, kept for the next file, and never more than `size`. */
export class ReaderPool {
  readonly #spoolDir: string;
  readonly #size: number;
  readonly #limits: ReaderLimits;
  readonly #idle: Reader[] = [];
  readonly #all = new Set<Reader>();
  readonly #waiting: ((reader: Reader) => void)[] = [];
  /** Ends what acquire has set up to kill a reader on abort. */
  readonly #held = new Map<Reader, () => void>();

  constructor(spoolDir: string, size: number, limits: ReaderLimits) {
    this.#spoolDir = spoolDir;
    this.#size = size;
    this.#limits = limits;
  }

  /**
   * A reader of one's own until it is released; waits while all are taken. When the signal is aborted it is killed:
   * DuckDB in the midst of a file does not listen.
   * @throws the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<Reader> {
    signal.throwIfAborted();
    const reader = await this.#take(signal);
    const kill = () => void reader.kill();
    signal.addEventListener('abort', kill);
    this.#held.set(reader, () => signal.removeEventListener('abort', kill));
    return reader;
  }

  async #take(signal: AbortSignal): Promise<Reader> {
    for (let reader = this.#idle.pop(); reader; reader = this.#idle.pop()) {
      if (reader.usable) return reader;
      this.#all.delete(reader);
    }
    return this.#all.size < this.#size ? this.#make() : await this.#wait(signal);
  }

  release(reader: Reader): void {
    this.#held.get(reader)?.();
    this.#held.delete(reader);
    const next = this.#waiting.shift();
    if (reader.usable) {
      if (next) next(reader);
      else this.#idle.push(reader);
      return;
    }
    // It crashed, or was left in the middle of a file: a new one takes its place when there is need.
    void reader.kill();
    this.#all.delete(reader);
    if (next) next(this.#make());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((reader) => reader.kill()));
  }

  #make(): Reader {
    const reader = new Reader(this.#spoolDir, this.#limits);
    this.#all.add(reader);
    return reader;
  }

  #wait(signal: AbortSignal): Promise<Reader> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(give), 1);
        reject(signal.reason);
      };
      const give = (reader: Reader) => {
        signal.removeEventListener('abort', onAbort);
        resolve(reader);
      };
      signal.addEventListener('abort', onAbort);
      this.#waiting.push(give);
    });
  }
}

export type ReadRequest = Extract<ReaderRequest, { type: 'read' | 'read_binary' }>;

/** One reader process. */
export class Reader {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #busy = false;

  constructor(spoolDir: string, { memory, threads }: ReaderLimits) {
    mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
    this.#process = fork(READER, [spoolDir, memory, String(threads)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Nothing of the worker's environment: no credentials, no connection string.
      env: {},
      // For chunksOf in reader.ts.
      execArgv: ['--expose-gc'],
    });
    const spilled = spillDirectory(spoolDir, this.#process.pid ?? 0);
    this.#exit = new Promise((resolve) => {
      this.#process.once('exit', resolve).once('error', resolve);
    }).then(() => rm(spilled, { recursive: true, force: true }));
    // A reader that waits for work does not hold up the end of the worker.
    this.#process.unref();
    this.#process.channel?.unref();
  }

  /** Whether the process lives and has answered all that it was asked. */
  get usable(): boolean {
    const { exitCode, signalCode, killed } = this.#process;
    return !this.#busy && exitCode === null && signalCode === null && !killed;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /** @throws ConnectorError `not_parquet`, `reader_crashed` */
  async describe(path: string): Promise<ReaderColumn[]> {
    for await (const answer of this.#answers({ type: 'describe', path })) {
      if (answer.type === 'described') return answer.columns;
      throw failure(answer);
    }
    throw crashed();
  }

  /** The texts of a query's one row. */
  async look(query: string): Promise<(string | null)[]> {
    for await (const answer of this.#answers({ type: 'look', query })) {
      if (answer.type === 'looked') return answer.values;
      throw failure(answer);
    }
    throw crashed();
  }

  /** The chunks that a reading request is answered with. */
  async *read(request: ReadRequest): AsyncGenerator<Uint8Array> {
    for await (const answer of this.#answers(request)) {
      if (answer.type === 'done') return;
      if (answer.type !== 'chunk') throw failure(answer, request.maxRowBytes);
      yield answer.data;
      this.#send({ type: 'more' });
    }
    throw crashed();
  }

  #send(request: ReaderRequest): void {
    // A process that is gone cannot be written to; that it is gone is seen by its exit.
    this.#process.send(request, () => {});
  }

  async *#answers(request: ReaderRequest): AsyncGenerator<ReaderAnswer> {
    this.#busy = true;
    this.#process.ref();
    const gone = new AbortController();
    void this.#exit.then(() => gone.abort());
    try {
      const messages = on(this.#process, 'message', { signal: gone.signal });
      this.#send(request);
      for await (const [answer] of messages as AsyncIterable<[ReaderAnswer]>) {
        // A reader is free again once it has said its last word, not when its listener stops listening.
        if (answer.type !== 'chunk') this.#busy = false;
        yield answer;
      }
    } catch (error) {
      if (gone.signal.aborted) throw crashed();
      throw error;
    } finally {
      this.#process.unref();
    }
  }
}

function failure(answer: ReaderAnswer, maxRowBytes?: number): ConnectorError {
  if (answer.type === 'row_too_large') {
    return new ConnectorError(
      'row_too_large',
      `row ${answer.row} has ${answer.bytes} bytes; max_row_bytes is ${maxRowBytes}`,
    );
  }
  return new ConnectorError(
    'reader_failed',
    answer.type === 'failed' ? answer.message : `unexpected answer ${answer.type}`,
  );
}

function crashed(): ConnectorError {
  return new ConnectorError(
    'reader_crashed',
    'the process that reads Parquet ended in the middle of the file',
    {
      passing: true,
      hint: 'If it happens with every attempt, the file is damaged or needs more memory than a reader has.',
    },
  );
}
