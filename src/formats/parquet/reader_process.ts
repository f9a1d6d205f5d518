import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { DATA_FAULT_ENV, injectCountFault } from '../../data_faults.ts';
import { ConnectorError } from '../../errors.ts';
import { rowsDoNotAddUp } from '../../reconcile.ts';
import { Channel } from '../channel.ts';
import type { PoolMember } from '../pool.ts';
import type { RowBytes } from '../row_bytes.ts';
import { Chunks } from './chunks.ts';
import { Patience } from './patience.ts';
import {
  type FileDescription,
  OUTPUT,
  type ReaderAnswer,
  type ReaderRequest,
  spillDirectory,
} from './protocol.ts';
import { RAISED } from './text.ts';

const READER = fileURLToPath(
  import.meta.resolve(`./reader${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`),
);
/** What DuckDB may use in a reader process. */
export interface ReaderLimits {
  /** Its own limit, such as `192MB`; the process takes more. */
  memory: string;
  threads: number;
  /** How long it may neither answer nor write while it is waited for; then it is killed. */
  stallMs: number;
}

export type ReadRequest = Extract<ReaderRequest, { type: 'read' | 'read_binary' }>;

/** One reader process. */
export class Reader implements PoolMember {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #channel: Channel<ReaderRequest, ReaderAnswer>;
  readonly #output: Chunks;
  readonly #patience: Patience;
  /** Whether a file is being read, or was left before its end: what is on its way belongs to it. */
  #reading = false;
  /** Whether DuckDB has given up its database: it would refuse every file from then on. */
  #spoiled = false;

  constructor(spoolDir: string, { memory, threads, stallMs }: ReaderLimits) {
    mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
    this.#process = fork(READER, [spoolDir, memory, String(threads)], {
      serialization: 'advanced',
      // The last is OUTPUT.
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'ipc'],
      // Nothing of the worker's environment: no credentials, no connection string.
      env: DATA_FAULT_ENV,
      // For streamRows.
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
      () => false,
    );
    this.#patience = new Patience(stallMs, () => this.#process.kill('SIGKILL'));
    this.#output = new Chunks(this.#process.stdio[OUTPUT] as Socket);
  }

  get usable(): boolean {
    const { exitCode, signalCode, killed } = this.#process;
    return (
      !this.#channel.busy &&
      !this.#reading &&
      !this.#spoiled &&
      exitCode === null &&
      signalCode === null &&
      !killed
    );
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /**
   * The columns of a file, or of its transform.
   * @throws ConnectorError `reader_failed`, `transform_failed`, `reader_crashed`, `reader_stalled`
   */
  async describe(path: string, transform: string | null): Promise<FileDescription> {
    const confinedTo = transform === null ? undefined : path;
    const answer = await this.#patience.during(this.#ask({ type: 'describe', path, transform, confinedTo }));
    if (answer.type === 'described') return answer.file;
    throw failure(answer);
  }

  /** The texts of a query's one row. */
  async look(query: string, confinedTo: string | undefined): Promise<(string | null)[]> {
    const answer = await this.#patience.during(this.#ask({ type: 'look', query, confinedTo }));
    if (answer.type === 'looked') return answer.values;
    throw failure(answer);
  }

  /**
   * What a reading request finds, in pieces of any size.
   * @throws ConnectorError `read_too_early`, `row_too_large`, `rows_do_not_add_up`, `reader_failed`, `reader_crashed`,
   *   `reader_stalled`
   */
  async *read(request: ReadRequest): RowBytes {
    this.#reading = true;
    const answered = this.#ask(request);
    const written = answered.then((answer) => answer.written);
    yield* this.#output.read(written, this.#patience);
    this.#reading = false;
    const answer = await answered;
    if (answer.type === 'done') return injectCountFault('answer', answer.rows);
    throw failure(answer, request);
  }

  /** @throws ConnectorError `reader_crashed`, `reader_stalled` */
  async #ask(request: ReaderRequest): Promise<ReaderAnswer> {
    for await (const answer of this.#channel.ask(request)) {
      this.#spoiled ||= answer.type === 'failed' && /^(INTERNAL|FATAL) Error/.test(answer.message);
      return answer;
    }
    throw this.#patience.over ? stalled() : crashed();
  }
}

/** @param request where rows were read */
function failure(answer: ReaderAnswer, request?: ReadRequest): ConnectorError {
  const rowsBefore = request?.rows.first ?? 0;
  switch (answer.type) {
    case 'row_too_large':
      return new ConnectorError(
        'row_too_large',
        `row ${rowsBefore + answer.row} has ${answer.bytes} bytes; max_row_bytes is ${request?.maxRowBytes}`,
      );
    case 'read_too_early':
      return readTooEarly('they could not be read before all of it had come');
    case 'rows_do_not_add_up':
      return rowsDoNotAddUp(answer.message);
    case 'transform_refused':
      return new ConnectorError('transform_failed', answer.message);
    case 'failed':
      return new ConnectorError(
        'reader_failed',
        answer.rows === 0 ? answer.message : afterRow(answer.message, rowsBefore + answer.rows),
      );
    default:
      return new ConnectorError('reader_failed', `unexpected answer ${answer.type}`);
  }
}

/** DuckDB's message, which may have several lines, with the last row before the error; our own says which row it was. */
function afterRow(message: string, row: number): string {
  return message.includes(RAISED) ? message : message.replace(/$/m, ` (after row ${row})`);
}

/** The same file is read rightly when all of it is there. */
export function readTooEarly(what: string): ConnectorError {
  return new ConnectorError(
    'read_too_early',
    `the file's footer is wrong about where its rows are: ${what}`,
    { passing: true },
  );
}

function stalled(): ConnectorError {
  return new ConnectorError(
    'reader_stalled',
    'the process that reads Parquet made no progress for too long, and was ended',
    {
      passing: true,
      hint: 'The file is tried once more. If it stalls again, it is damaged, or needs longer: raise READER_STALL_SECONDS of the worker, then retry it.',
    },
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
