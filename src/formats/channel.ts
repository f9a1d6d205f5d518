/** A "channel" sends requests to a child process or a thread, its "peer", and receives the answers. */
import { type EventEmitter, on } from 'node:events';

export interface Peer<Request> {
  /** Emits `message` for each answer. */
  emitter: EventEmitter & { ref(): void; unref(): void };
  post(request: Request): void;
  /** Settles when the peer has ended for any reason. */
  gone: Promise<unknown>;
}

/** Handles one request at a time. An idle peer does not keep this process alive. */
export class Channel<Request, Answer> {
  readonly #peer: Peer<Request>;
  /** Whether more answers follow this one. */
  readonly #hasMore: (answer: Answer) => boolean;
  #busy = false;

  constructor(peer: Peer<Request>, hasMore: (answer: Answer) => boolean) {
    this.#peer = peer;
    this.#hasMore = hasMore;
    peer.emitter.unref();
  }

  /** Whether the current request still has answers to come. */
  get busy(): boolean {
    return this.#busy;
  }

  post(request: Request): void {
    this.#peer.post(request);
  }

  /**
   * Yields the answers to a request until the last one, or until the peer ends.
   * @returns whether the last answer came
   */
  async *ask(request: Request): AsyncGenerator<Answer, boolean> {
    this.#busy = true;
    this.#peer.emitter.ref();
    const gone = new AbortController();
    void this.#peer.gone.then(() => gone.abort());
    try {
      const messages = on(this.#peer.emitter, 'message', { signal: gone.signal });
      this.#peer.post(request);
      for await (const [answer] of messages as AsyncIterable<[Answer]>) {
        // Set before the yield: the peer is free after its last answer, even if nobody resumes this generator.
        this.#busy = this.#hasMore(answer);
        yield answer;
        if (!this.#busy) return true;
      }
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    } finally {
      this.#peer.emitter.unref();
    }
    return false;
  }
}
