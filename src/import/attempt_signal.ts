/** The signal that stops an attempt. */
import { ConnectorError } from '../errors.ts';

/** Aborts its signal when the worker stops, when the connector's import_timeout is over, or by `abort`. */
export class AttemptSignal {
  readonly #controller = new AbortController();
  readonly #shutdown: AbortSignal;
  readonly #onShutdown: () => void;
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param shutdown aborted when the worker must stop
   * @param timeoutMs the connector's import_timeout, in milliseconds: at most 7 days, less than Node's longest timer
   * @param options `waits`: the attempt waits for others of its bundle first, and its time begins with `startClock`
   */
  constructor(shutdown: AbortSignal, timeoutMs: number, { waits = false } = {}) {
    this.#shutdown = shutdown;
    this.#onShutdown = () => this.abort(shutdown.reason);
    // Not AbortSignal.any: its signal would stay linked to the worker's for as long as the worker lives.
    shutdown.addEventListener('abort', this.#onShutdown);
    this.#timeoutMs = timeoutMs;
    if (shutdown.aborted) this.#onShutdown();
    if (!waits) this.startClock();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the time that the attempt may take, unless it has started. */
  startClock(): void {
    this.#timer ??= setTimeout(() => this.abort(timedOut(this.#timeoutMs)), this.#timeoutMs);
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Call it when the attempt has ended. */
  close(): void {
    clearTimeout(this.#timer);
    this.#shutdown.removeEventListener('abort', this.#onShutdown);
  }
}

function timedOut(timeoutMs: number): ConnectorError {
  return new ConnectorError(
    'import_timeout',
    `the import was stopped after ${timeoutMs / 1000} s, the import_timeout of the connector; nothing was kept`,
    {
      hint: 'Look at what on_import and the triggers of the table do, and for locks on the table. If the import needs longer, pause the connector, raise import_timeout, resume it, then retry the file: s3_connector.retry_file(name, key).',
    },
  );
}
