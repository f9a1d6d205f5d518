/** Decides which event queue is received from next. */

/** Owners take turns, and so do the queues of one owner: an owner with thousands of queues delays nobody else's. */
export class QueueTurns {
  /** The waiting queues by owner. The owner whose turn is next is the first. */
  readonly #waiting = new Map<string, string[]>();

  /** Adds a queue behind its owner's others. */
  add(owner: string, url: string): void {
    const urls = this.#waiting.get(owner);
    if (urls) urls.push(url);
    else this.#waiting.set(owner, [url]);
  }

  /** Takes the next queue; undefined if none waits. */
  take(): string | undefined {
    const [next] = this.#waiting;
    if (!next) return undefined;
    const [owner, urls] = next;
    const url = urls.shift();
    // At the end of the map, where its turn comes after all other owners'.
    this.#waiting.delete(owner);
    if (urls.length > 0) this.#waiting.set(owner, urls);
    return url;
  }
}
