import { Worker } from 'node:worker_threads';
import { countDiscardedBytes } from '../../../buffer_gc.ts';
import { DATA_FAULT_ENV, injectFault } from '../../../data_faults.ts';
import { ConnectorError } from '../../../errors.ts';
import type { SpooledFile } from '../../../fetch/spooled_file.ts';
import { rowsDoNotAddUp } from '../../../reconcile.ts';
import { Channel } from '../../channel.ts';
import type { PoolMember } from '../../pool.ts';
import type { ReadRequest, ThreadAnswer, ThreadRequest } from './protocol.ts';
import type { Section } from './sections.ts';

const THREAD = new URL(`thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
/** MB of a thread's own objects; the sections are outside of them. */
const MAX_HEAP = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

/** A thread that encodes CSV files, one at a time. */
export class EncoderThread implements PoolMember {
  readonly #worker: Worker;
  readonly #channel: Channel<ThreadRequest, ThreadAnswer>;
  #ended = false;

  constructor() {
    // Nothing of the worker's own: no credentials, no connection string, nothing that was to be loaded beside it.
    this.#worker = new Worker(THREAD, { env: DATA_FAULT_ENV, execArgv: [], resourceLimits: MAX_HEAP });
    const gone = new Promise<void>((resolve) => {
      // What goes wrong in the thread itself ends it: it is seen by that.
      this.#worker.once('error', () => {}).once('exit', () => resolve());
    });
    void gone.then(() => {
      this.#ended = true;
    });
    this.#channel = new Channel(
      { emitter: this.#worker, post: (request) => this.#worker.postMessage(request), gone },
      (answer) => answer.type === 'section',
    );
  }

  get usable(): boolean {
    return !this.#channel.busy && !this.#ended;
  }

  async kill(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }

  /** @throws ConnectorError as `readSections`, what keeps the file from being whole, and `encoder_crashed` */
  async *read(
    file: SpooledFile,
    request: Pick<ReadRequest, 'limits' | 'entry' | 'plan'>,
  ): AsyncGenerator<Section> {
    const tell = () => {
      // What a thread waits for will not come.
      if (file.failure !== undefined) void this.kill();
      else this.#channel.post({ type: 'grown', available: file.available });
    };
    await file.onDisk();
    const stopTelling = file.onChange(tell);
    try {
      yield* this.#sections(file, { type: 'read', file: file.state, ...request });
    } catch (error) {
      throw file.failure ?? error;
    } finally {
      stopTelling();
    }
  }

  async *#sections(file: SpooledFile, request: ReadRequest): AsyncGenerator<Section> {
    let rows = 0;
    for await (const answer of injectFault('sections', this.#channel.ask(request))) {
      if (answer.type === 'done') {
        if (rows === answer.rows) return;
        throw rowsDoNotAddUp(`${answer.rows} were encoded, and ${rows} of them came`);
      }
      if (answer.type === 'refused') throw new ConnectorError(answer.code, answer.message, answer.options);
      file.want(answer.wanted);
      rows += answer.section.rows;
      yield answer.section;
      countDiscardedBytes(answer.section.data.length);
      this.#channel.post({ type: 'more' });
    }
    throw new ConnectorError('encoder_crashed', 'the thread that reads CSV ended in the middle of the file', {
      passing: true,
      hint: 'If it happens with every attempt, the rows need more memory than a thread has: lower max_row_bytes.',
    });
  }
}
