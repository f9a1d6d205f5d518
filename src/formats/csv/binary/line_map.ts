/**
 * A "line map" maps the row number in COPY's error to the file line on which that row ends. For raw CSV it maps COPY's
 * line number.
 */
import { lastAtMost } from '../search.ts';
import type { Section } from './sections.ts';

/** The most line numbers that are kept, 4 bytes each, before a COPY must end. */
const MAX_KEPT = 4_000_000;

export class LineMap {
  /** For each section, the rows before it in this COPY. */
  readonly #rowsBefore: number[] = [];
  readonly #sections: { firstLine: number; lines: Uint32Array | null }[] = [];
  #rows = 0;
  #kept = 0;

  /** Whether no more sections should be added. */
  get full(): boolean {
    return this.#kept > MAX_KEPT;
  }

  add(section: Section): void {
    // COPY counts the lines of raw CSV itself, so only the first section's line is needed.
    if (section.kind === 'raw' && this.#sections.length > 0) return;
    const lines = section.kind === 'binary' ? section.lines : null;
    this.#rowsBefore.push(this.#rows);
    this.#sections.push({ firstLine: section.firstLine, lines });
    this.#rows += section.kind === 'binary' ? section.rows : 0;
    this.#kept += lines?.length ?? 0;
  }

  /** @param line COPY's number, from 1 */
  lineOf(line: number): number {
    const index = lastAtMost(this.#rowsBefore, line - 1, this.#rowsBefore.length - 1);
    const { firstLine, lines } = this.#sections[index]!;
    const row = line - 1 - this.#rowsBefore[index]!;
    return firstLine + (lines?.[row] ?? row);
  }
}
