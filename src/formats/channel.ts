import { type EventEmitter, on } from 'node:events';

/** The other side: a child process, or a thread. */
export interface Peer<Request> {
  /** Emits `message` for each answer. */
  emitter: EventEmitter & { ref(): void; unref(): void };
  post(request: Request): void;
  /** Settles when it has ended, whatever the reason. */
  gone: Promise<unknown>;
}

/** Asks a peer, one request at a time; as long as none is open, the peer does not hold up the end of this process. */
export class Channel<Request, Answer> {
  readonly #peer: Peer<Request>;
  /** Whether an answer leaves more to come. */
  readonly #goesOn: (answer: Answer) => boolean;
  #busy = false;

  constructor(peer: Peer<Request>, goesOn: (answer: Answer) => boolean) {
    this.#peer = peer;
    this.#goesOn = goesOn;
    peer.emitter.unref();
  }

  /** Whether the last answer to the last request is still to come. */
  get busy(): boolean {
    return this.#busy;
  }

  post(request: Request): void {
    this.#peer.post(request);
  }

  /**
   * The answers to a request, up to the last one, or to the peer's end.
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
        // It is free again once it has said its last word, not when its listener stops listening.
        this.#busy = this.#goesOn(answer);
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
