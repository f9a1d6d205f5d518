/** Decides which event queue is received from next. */

/** Owners take turns, and so do the queues of one owner: an owner with thousands of queues delays nobody else's. */
export class QueueTurns<Queue extends { owner: string }> {
  /** The waiting queues by owner. The owner whose turn is next is the first. */
  readonly #waiting = new Map<string, Queue[]>();

  /** Adds a queue behind its owner's others. */
  add(queue: Queue): void {
    const queues = this.#waiting.get(queue.owner);
    if (queues) queues.push(queue);
    else this.#waiting.set(queue.owner, [queue]);
  }

  /** Takes the next queue; undefined if none waits. */
  take(): Queue | undefined {
    const [next] = this.#waiting;
    if (!next) return undefined;
    const [owner, queues] = next;
    const queue = queues.shift();
    // At the end of the map, where its turn comes after all other owners'.
    this.#waiting.delete(owner);
    if (queues.length > 0) this.#waiting.set(owner, queues);
    return queue;
  }
}
