import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ConnectorError } from '../../errors.ts';
import { Channel } from '../channel.ts';
import type { PoolMember } from '../pool.ts';
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

export type ReadRequest = Extract<ReaderRequest, { type: 'read' | 'read_binary' }>;

/** One reader process. */
export class Reader implements PoolMember {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #channel: Channel<ReaderRequest, ReaderAnswer>;

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
    this.#process.channel?.unref();
    this.#channel = new Channel(
      {
        emitter: this.#process,
        // A process that is gone cannot be written to; that it is gone is seen by its exit.
        post: (request) => this.#process.send(request, () => {}),
        gone: this.#exit,
      },
      (answer) => answer.type === 'chunk',
    );
  }

  get usable(): boolean {
    const { exitCode, signalCode, killed } = this.#process;
    return !this.#channel.busy && exitCode === null && signalCode === null && !killed;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /** @throws ConnectorError `not_parquet`, `reader_crashed` */
  async describe(path: string): Promise<ReaderColumn[]> {
    for await (const answer of this.#channel.ask({ type: 'describe', path })) {
      if (answer.type === 'described') return answer.columns;
      throw failure(answer);
    }
    throw crashed();
  }

  /** The texts of a query's one row. */
  async look(query: string): Promise<(string | null)[]> {
    for await (const answer of this.#channel.ask({ type: 'look', query })) {
      if (answer.type === 'looked') return answer.values;
      throw failure(answer);
    }
    throw crashed();
  }

  /** The chunks that a reading request is answered with. */
  async *read(request: ReadRequest): AsyncGenerator<Uint8Array> {
    for await (const answer of this.#channel.ask(request)) {
      if (answer.type === 'done') return;
      if (answer.type !== 'chunk') throw failure(answer, request.maxRowBytes);
      yield answer.data;
      this.#channel.post({ type: 'more' });
    }
    throw crashed();
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
