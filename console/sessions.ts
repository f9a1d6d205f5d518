/** The "sessions": who is signed in. They end with this process, and say nothing about CONSOLE_TOKEN. */
import { createHash, randomBytes } from 'node:crypto';

export const SESSION_SECONDS = 12 * 3600;
/** Beyond this many, the oldest session ends. */
const MAX_SESSIONS = 1_000;

export class Sessions {
  /** When each ends, by the hash of its id: looking up a hash takes no longer for an id that is nearly right. */
  readonly #ends = new Map<string, number>();

  /** Opens a session, and returns its id. */
  open(): string {
    const id = randomBytes(32).toString('base64url');
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined && this.#ends.size >= MAX_SESSIONS) this.#ends.delete(oldest);
    this.#ends.set(hash(id), Date.now() + SESSION_SECONDS * 1000);
    return id;
  }

  end(id: string): void {
    this.#ends.delete(hash(id));
  }

  has(id: string): boolean {
    return (this.#ends.get(hash(id)) ?? 0) > Date.now();
  }
}

function hash(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
