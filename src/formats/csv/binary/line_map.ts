import { lastAtMost } from '../search.ts';
import type { Section } from './sections.ts';

/** Rows whose lines are kept, 4 bytes each, before a COPY must end. */
const MAX_KEPT = 4_000_000;

/** Tells from the row that a COPY counts the line of the file at which it ends, as a COPY of the CSV would; of that, from the line. */
export class LineMap {
  /** Of each section, the rows before it in this COPY. */
  readonly #rowsBefore: number[] = [];
  readonly #sections: { firstLine: number; lines: Uint32Array | null }[] = [];
  #rows = 0;
  #kept = 0;

  /** Whether no more sections should be added. */
  get full(): boolean {
    return this.#kept > MAX_KEPT;
  }

  add(section: Section): void {
    // COPY counts the lines of a CSV itself: where it starts is enough.
    if (section.kind === 'raw' && this.#sections.length > 0) return;
    const lines = section.kind === 'binary' ? section.lines : null;
    this.#rowsBefore.push(this.#rows);
    this.#sections.push({ firstLine: section.firstLine, lines });
    this.#rows += section.kind === 'binary' ? section.rows : 0;
    this.#kept += lines?.length ?? 0;
  }

  /** @param line as COPY counts it, from 1 */
  lineOf(line: number): number {
    const index = lastAtMost(this.#rowsBefore, line - 1, this.#rowsBefore.length - 1);
    const { firstLine, lines } = this.#sections[index]!;
    const row = line - 1 - this.#rowsBefore[index]!;
    return firstLine + (lines?.[row] ?? row);
  }
}
