import { setTimeout as delay } from 'node:timers/promises';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { refill } from '../record.ts';

/** How long files that end count as one question, in milliseconds: the question costs more the more files wait. */
const TOGETHER_MS = 20;

/**
 * Asks for polls of connectors whose files have ended, not once a file: what is asked while a question is under way,
 * or shortly after it, is asked once more for all.
 */
export class Refills {
  readonly #db: Control['db'];
  readonly #asking = new Map<string, Promise<void>>();
  readonly #askAgain = new Set<string>();

  constructor({ db }: Control) {
    this.#db = db;
  }

  /** To be called when the end of a file is committed; a place may be free. */
  ask(connectorName: string): void {
    if (this.#asking.has(connectorName)) this.#askAgain.add(connectorName);
    else this.#asking.set(connectorName, this.#run(connectorName));
  }

  /** Resolves when everything that was asked has its answer. */
  async close(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  async #run(connectorName: string): Promise<void> {
    do {
      this.#askAgain.delete(connectorName);
      await refill(this.#db, connectorName).catch((error) =>
        // The connector is polled within a minute anyway.
        log.warn('refill failed', { connector: connectorName, error: describeError(error) }),
      );
      await delay(TOGETHER_MS);
    } while (this.#askAgain.has(connectorName));
    this.#asking.delete(connectorName);
  }
}
