/** A lock that many share, or one has alone, in the order in which they ask. */
export class Gate {
  #waiting: { isAlone: boolean; enter: () => void }[] = [];
  #inside = 0;
  #isAlone = false;

  async shared<T>(work: () => Promise<T>): Promise<T> {
    return await this.#enter(false, work);
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    return await this.#enter(true, work);
  }

  async #enter<T>(isAlone: boolean, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => {
      this.#waiting.push({ isAlone, enter });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#isAlone = false;
      this.#admit();
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next && this.#hasRoomFor(next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#inside += 1;
      this.#isAlone = next.isAlone;
      next.enter();
    }
  }

  #hasRoomFor({ isAlone }: { isAlone: boolean }): boolean {
    return this.#inside === 0 || (!isAlone && !this.#isAlone);
  }
}
