import { randomBytes } from 'node:crypto';
import type { Outcome } from './database.ts';

/** Outcomes of actions, kept from the POST until the page that it redirects to shows them. */
export class Outcomes {
  readonly #kept = new Map<string, Outcome>();

  /** @returns the id under which a page finds it */
  keep(outcome: Outcome): string {
    const id = randomBytes(9).toString('base64url');
    this.#kept.set(id, outcome);
    // A reload may ask again, so it is not forgotten when shown.
    if (this.#kept.size > 200) this.#kept.delete(this.#kept.keys().next().value!);
    return id;
  }

  find(id: string | undefined): Outcome | undefined {
    return id === undefined ? undefined : this.#kept.get(id);
  }
}
