/** The worker's side of a reader process: starts it, sends it requests, and turns its answers into rows or errors. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { CHILD_ENV } from '../../child_env.ts';
import { injectCountFault } from '../../data_faults.ts';
import { ConnectorError } from '../../errors.ts';
import { amid, at, harm } from '../../fault_points.ts';
import { rowsDoNotAddUp } from '../../reconcile.ts';
import { Channel } from '../channel.ts';
import type { Transform } from '../duckdb_file.ts';
import type { PoolMember } from '../pool.ts';
import type { RowBytes } from '../row_bytes.ts';
import { tooManyRows } from '../row_limit.ts';
import { Chunks } from './chunks.ts';
import { confinementOf } from './confinement.ts';
import { OUT_OF_MEMORY } from './errors.ts';
import {
  type FileDescription,
  OUTPUT,
  type ReaderAnswer,
  type ReaderRequest,
  spillDirectory,
} from './protocol.ts';
import { StallTimer } from './stall_timer.ts';
import { RAISED } from './text.ts';

const READER = fileURLToPath(
  import.meta.resolve(`./reader${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`),
);

/** What DuckDB may use in a reader process. */
export interface ReaderLimits {
  /** DuckDB's memory limit, for example `192MB`; the process takes more. */
  memory: string;
  threads: number;
  /** How long the worker waits for an answer or output before it kills the process. */
  stallMs: number;
}

export type ReadRequest = Extract<ReaderRequest, { type: 'read' | 'read_binary' }>;

export class Reader implements PoolMember {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #channel: Channel<ReaderRequest, ReaderAnswer>;
  readonly #output: Chunks;
  readonly #stallTimer: StallTimer;
  /** Whether a file is being read, or was not read to its end: then the pipe still holds its bytes. */
  #reading = false;
  /** Whether DuckDB has invalidated its database, so that it refuses every later file; or memory ran out, of which it keeps some. */
  #spoiled = false;

  constructor(spoolDir: string, { memory, threads, stallMs }: ReaderLimits) {
    mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
    const confinement = JSON.stringify(confinementOf(spoolDir));
    this.#process = fork(READER, [spoolDir, memory, String(threads), confinement], {
      serialization: 'advanced',
      // Number 3 is OUTPUT.
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'ipc'],
      // With one heap for each of its many threads, glibc would take twice as much memory.
      env: { ...CHILD_ENV, MALLOC_ARENA_MAX: String(threads) },
      // streamRows calls gc().
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
        // A failed send is ignored: the exit of the process reports it.
        post: (request) => this.#process.send(request, () => {}),
        gone: this.#exit,
      },
      () => false,
    );
    this.#stallTimer = new StallTimer(stallMs, () => this.#process.kill('SIGKILL'));
    this.#output = new Chunks(this.#process.stdio[OUTPUT] as Socket, () => this.#whyGone());
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
   * Returns the columns of a file, or of its transform.
   * @throws ConnectorError `reader_failed`, `transform_failed`, `reader_crashed`, `reader_stalled`
   */
  async describe(path: string, transform: Transform | null): Promise<FileDescription> {
    const confinedTo = transform === null ? undefined : path;
    const ask = () => this.#ask({ type: 'describe', path, transform, confinedTo });
    const answer = await this.#stallTimer.during(at('describe_file', ask, 'reader'));
    if (answer.type === 'described') return answer.file;
    throw failure(answer);
  }

  /** Returns the texts of a query's only row. */
  async look(query: string, confinedTo: string | undefined): Promise<(string | null)[]> {
    const answer = await this.#stallTimer.during(this.#ask({ type: 'look', query, confinedTo }));
    if (answer.type === 'looked') return answer.values;
    throw failure(answer);
  }

  /**
   * Yields the rows of a reading request, in chunks of any size.
   * @throws ConnectorError `read_too_early`, `row_too_large`, `too_many_rows`, `rows_do_not_add_up`, `reader_failed`, `reader_crashed`,
   *   `reader_stalled`
   */
  async *read(request: ReadRequest): RowBytes {
    this.#reading = true;
    const answered = this.#ask(request);
    const written = answered.then((answer) => answer.written);
    harm('kill_reader', () => this.#process.kill('SIGKILL'));
    harm('break_pipe', () => this.#output.destroy());
    // Nobody can cut up rows in binary format.
    const sentWhole = request.type === 'read_binary';
    yield* amid('read_rows', this.#output.read(written, this.#stallTimer, sentWhole), 'reader');
    this.#reading = false;
    const answer = await answered;
    if (answer.type === 'done') return injectCountFault('answer', answer.rows);
    throw failure(answer, request);
  }

  /** @throws ConnectorError `reader_crashed`, `reader_stalled` */
  async #ask(request: ReaderRequest): Promise<ReaderAnswer> {
    for await (const answer of this.#channel.ask(request)) {
      this.#spoiled ||=
        answer.type === 'failed' &&
        (/^(INTERNAL|FATAL) Error/.test(answer.message) || OUT_OF_MEMORY.test(answer.message));
      return answer;
    }
    throw this.#whyGone();
  }

  #whyGone(): ConnectorError {
    return this.#stallTimer.stalled ? stalled() : crashed();
  }
}

/** @param request set if rows were read */
function failure(answer: ReaderAnswer, request?: ReadRequest): ConnectorError {
  const rowsBefore = request?.rows.first ?? 0;
  switch (answer.type) {
    case 'row_too_large':
      return new ConnectorError(
        'row_too_large',
        `row ${rowsBefore + answer.row} has ${answer.bytes} bytes; max_row_bytes is ${request?.maxRowBytes}`,
      );
    case 'too_many_rows':
      return tooManyRows(answer.rows, request?.maxRows ?? null);
    case 'read_too_early':
      return readTooEarly('they could not be read before the whole file was fetched');
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

/** Adds the last row before the error to DuckDB's message, which may have several lines. Our own errors name their row. */
function afterRow(message: string, row: number): string {
  return message.includes(RAISED) ? message : message.replace(/$/m, ` (after row ${row})`);
}

/** A passing error: the retry reads the file after it was fetched completely. */
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
    'the process that reads Parquet made no progress for too long, and was killed',
    {
      passing: true,
      hint: 'The file is retried. If it stalls again, it is damaged or needs more time: raise READER_STALL_SECONDS of the worker, then retry the file.',
    },
  );
}

function crashed(): ConnectorError {
  return new ConnectorError(
    'reader_crashed',
    'the process that reads Parquet crashed in the middle of the file',
    {
      passing: true,
      hint: 'If every attempt crashes, the file is damaged or needs more memory than a reader has: write it again, with smaller row groups.',
    },
  );
}
