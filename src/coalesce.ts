/** "Coalesces" requests: those that come while a run is under way share the next run. */

/** Runs a function on request, one run at a time. */
export class Coalesced {
  readonly #run: () => Promise<void>;
  #running: Promise<void> | undefined;
  #requestedAgain = false;

  /** @param run must not fail */
  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Requests a run that begins after this call. Resolves when no run is requested any more. */
  request(): Promise<void> {
    this.#requestedAgain = true;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no run is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #runAll(): Promise<void> {
    while (this.#requestedAgain) {
      this.#requestedAgain = false;
      await this.#run();
    }
  }
}
