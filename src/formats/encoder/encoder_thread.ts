/** The worker's side of an encoder thread: starts it, sends it requests, and yields its sections. */
import { Worker } from 'node:worker_threads';
import { countDiscardedBytes } from '../../buffer_gc.ts';
import { CHILD_ENV } from '../../child_env.ts';
import { injectFault } from '../../data_faults.ts';
import { ConnectorError } from '../../errors.ts';
import { harm, reach } from '../../fault_points.ts';
import type { SpooledFile } from '../../fetch/spooled_file.ts';
import { rowsDoNotAddUp } from '../../reconcile.ts';
import { whenWritten } from '../../written_buffers.ts';
import { Channel } from '../channel.ts';
import type { ReadInto } from '../csv/binary/sections.ts';
import type { PoolMember } from '../pool.ts';
import { BUFFER_BYTES } from '../spare_buffers.ts';
import type { ReadRequest, Section, ThreadAnswer, ThreadRequest } from './protocol.ts';

const THREAD = new URL(`thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
/** The heap of a thread, in MB; the sections are not on it. */
const MAX_HEAP = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

/** A thread that encodes CSV and JSON files, one at a time. */
export class EncoderThread implements PoolMember {
  readonly #worker: Worker;
  readonly #channel: Channel<ThreadRequest, ThreadAnswer>;
  #ended = false;

  constructor() {
    this.#worker = new Worker(THREAD, { env: CHILD_ENV, execArgv: [], resourceLimits: MAX_HEAP });
    const gone = new Promise<void>((resolve) => {
      // An uncaught error ends the thread, and `exit` reports it.
      this.#worker.once('error', () => {}).once('exit', () => resolve());
    });
    void gone.then(() => {
      this.#ended = true;
    });
    this.#channel = new Channel(
      { emitter: this.#worker, post: (request) => this.#worker.postMessage(request), gone },
      ({ type }) => type === 'section' || type === 'collecting',
    );
  }

  get usable(): boolean {
    return !this.#channel.busy && !this.#ended;
  }

  async kill(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }

  /**
   * Yields the sections of one entry of the file.
   * @param into gets the file's lines of a normalized file, before the section that needs them, and the first row with a stray quote
   * @throws ConnectorError as `readSections`, the failure of the download, and `encoder_crashed`
   */
  async *read<Wanted extends Section>(
    file: SpooledFile,
    request: Pick<ReadRequest, 'limits' | 'entry' | 'work'>,
    into?: ReadInto,
  ): AsyncGenerator<Wanted, undefined> {
    const notify = () => {
      // The bytes that the thread waits for will not come.
      if (file.failure !== undefined) void this.kill();
      else this.#channel.post({ type: 'grown', available: file.available });
    };
    await file.onDisk();
    const stopNotifying = file.onChange(notify);
    try {
      // Then nobody will notify.
      if (file.failure !== undefined) throw file.failure;
      const read: ReadRequest = { type: 'read', file: file.state, ...request };
      // The format of the work decides about the kind of its sections.
      yield* this.#sections(file, read, into) as AsyncGenerator<Wanted, undefined>;
    } catch (error) {
      throw file.failure ?? error;
    } finally {
      stopNotifying();
    }
  }

  #free(buffer: ArrayBuffer): void {
    this.#worker.postMessage({ type: 'free', buffer } satisfies ThreadRequest, [buffer]);
  }

  async *#sections(
    file: SpooledFile,
    request: ReadRequest,
    into: ReadInto | undefined,
  ): AsyncGenerator<Section, undefined> {
    let rows = 0;
    harm('kill_encoder', () => void this.kill());
    for await (const answer of injectFault('sections', this.#channel.ask(request))) {
      if (answer.type === 'done') {
        if (answer.stray) into?.strays.note(answer.stray.line, answer.stray.lastLine);
        if (rows === answer.rows) return;
        throw rowsDoNotAddUp(`${answer.rows} were encoded, but ${rows} were received`);
      }
      if (answer.type === 'refused') throw new ConnectorError(answer.code, answer.message, answer.options);
      file.want(answer.wanted);
      if (answer.type === 'collecting') continue;
      into?.fileLines.add(answer.jumps);
      rows += answer.section.rows;
      await reach('read_sections', 'reader');
      const { data } = answer.section;
      if (data.buffer.byteLength === BUFFER_BYTES) whenWritten(data, () => this.#free(data.buffer));
      else countDiscardedBytes(data.length);
      yield answer.section;
      this.#channel.post({ type: 'more' });
    }
    throw new ConnectorError(
      'encoder_crashed',
      'the thread that encodes files crashed in the middle of the file',
      {
        passing: true,
        hint: 'If every attempt crashes, the rows need more memory than a thread has: lower max_row_bytes of the connector.',
      },
    );
  }
}
