/** Watches whether a queue works. */
import type { Queue } from '../worker/queue.ts';
import type { Share } from '../worker/shares.ts';

/** How long an idle queue may have no answer, in milliseconds. It asks every few seconds, and a slow database takes some. */
const SILENCE_MS = 30_000;

/** A queue works if it gets answers when it asks for jobs, or if all its places are busy. */
export class QueueWatch {
  readonly #name: string;
  readonly #places: number;
  #answeredAt = Date.now();
  #busy = 0;
  #problem: string | undefined;

  constructor({ name, places }: Share, { events, runner }: Queue) {
    this.#name = name;
    this.#places = places;
    const answered = () => {
      this.#answeredAt = Date.now();
    };
    events.on('worker:getJob:empty', answered);
    events.on('job:start', () => {
      answered();
      this.#busy += 1;
    });
    events.on('job:complete', () => {
      answered();
      this.#busy -= 1;
    });
    events.on('pool:gracefulShutdown', () => {
      this.#problem = 'the worker is stopping and takes no more jobs';
    });
    const ended = () => {
      this.#problem ??= `the queue of ${name} has ended`;
    };
    runner.promise.then(ended, ended);
  }

  /** Returns why the queue does not work; undefined if it does. */
  problem(): string | undefined {
    const silentMs = Date.now() - this.#answeredAt;
    if (this.#problem) return this.#problem;
    if (this.#busy >= this.#places || silentMs <= SILENCE_MS) return undefined;
    return `the queue of ${this.#name} has had no answer for ${Math.round(silentMs / 1000)} s`;
  }
}
