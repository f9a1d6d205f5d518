import type { Queue } from '../worker/queue.ts';

/** An idle queue asks for jobs every few seconds; a database that is slow may take some. */
const SILENCE_MS = 30_000;

/** Sees whether a queue works: whether it asks for jobs and gets an answer, or has its hands full. */
export class QueueWatch {
  readonly #name: string;
  readonly #places: number;
  #answeredAt = Date.now();
  #busy = 0;
  #trouble: string | undefined;

  constructor(name: string, { events, runner, places }: Queue) {
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
      this.#trouble = 'the worker is stopping and takes no more jobs';
    });
    const ended = () => {
      this.#trouble ??= `the queue of ${name} has ended`;
    };
    runner.promise.then(ended, ended);
  }

  /** Why the queue does not work; undefined where it does. */
  trouble(): string | undefined {
    const silentMs = Date.now() - this.#answeredAt;
    if (this.#trouble) return this.#trouble;
    if (this.#busy >= this.#places || silentMs <= SILENCE_MS) return undefined;
    return `the queue of ${this.#name} has had no answer for ${Math.round(silentMs / 1000)} s`;
  }
}
