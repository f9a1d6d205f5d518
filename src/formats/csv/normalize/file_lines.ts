/** "File lines": the lines of a file on which the records of its normalized form were. */

/** Lines that follow each other in both need one entry. Both numbers count from 1. */
export interface LineJump {
  line: number;
  fileLine: number;
}

export class FileLines {
  readonly #jumps: LineJump[] = [];

  /** Adds jumps, in ascending order. */
  add(jumps: readonly LineJump[]): void {
    for (const { line, fileLine } of jumps) this.note(line, fileLine);
  }

  /** Notes that the normalized line, and those after it, are as far apart as the file's lines from this one on. */
  note(line: number, fileLine: number): void {
    const last = this.#jumps.at(-1);
    if (fileLine - line !== (last ? last.fileLine - last.line : 0)) this.#jumps.push({ line, fileLine });
  }

  /** Returns the jumps from the given number on. */
  since(count: number): LineJump[] {
    return this.#jumps.slice(count);
  }

  get count(): number {
    return this.#jumps.length;
  }

  /** Returns the file's line for a normalized one. */
  lineOf(line: number): number {
    let low = 0;
    let high = this.#jumps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#jumps[middle]!.line <= line) low = middle + 1;
      else high = middle;
    }
    const jump = this.#jumps[low - 1];
    return jump ? line + jump.fileLine - jump.line : line;
  }
}
