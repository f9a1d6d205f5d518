/** Keeps outcomes of actions from the POST until the redirected page shows them. */
import { randomBytes } from 'node:crypto';
import type { Outcome } from './outcome.ts';

export class Outcomes {
  readonly #kept = new Map<string, Outcome>();

  /** Keeps an outcome, and returns its id. */
  keep(outcome: Outcome): string {
    const id = randomBytes(9).toString('base64url');
    this.#kept.set(id, outcome);
    // Only the number limits them: a reload must show the same outcome again.
    if (this.#kept.size > 200) this.#kept.delete(this.#kept.keys().next().value!);
    return id;
  }

  find(id: string | undefined): Outcome | undefined {
    return id === undefined ? undefined : this.#kept.get(id);
  }
}
