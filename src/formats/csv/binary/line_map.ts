/**
 * A "line map" maps the row number in COPY's error to the file line on which that row ends. For raw CSV it maps COPY's
 * line number.
 */
import { FileLines } from '../normalize/file_lines.ts';
import { lastAtMost } from '../search.ts';
import type { RawSection, Section } from './sections.ts';

/** The most line numbers that are kept, 4 bytes each, before a COPY must end. */
const MAX_KEPT = 4_000_000;

export class LineMap {
  /** For each section, the rows before it in this COPY. */
  readonly #rowsBefore: number[] = [];
  readonly #sections: { firstLine: number; lines: Uint32Array | null }[] = [];
  #rows = 0;
  #kept = 0;

  /** Of raw CSV, whose lines COPY counts itself. */
  readonly #rawLines = new FileLines();
  #rawHeight = 0;

  /** Whether no more sections should be added. */
  get full(): boolean {
    return this.#kept > MAX_KEPT;
  }

  add(section: Section): void {
    if (section.kind === 'raw') {
      this.#addRaw(section);
      return;
    }
    const { lines } = section;
    this.#rowsBefore.push(this.#rows);
    this.#sections.push({ firstLine: section.firstLine, lines });
    this.#rows += section.rows;
    this.#kept += lines?.length ?? 0;
  }

  #addRaw({ firstLine, height, jumps }: RawSection): void {
    if (height === 0) return;
    this.#rawLines.note(this.#rawHeight + 1, firstLine);
    this.#rawLines.add(jumps.map(({ line, fileLine }) => ({ line: this.#rawHeight + line, fileLine })));
    this.#rawHeight += height;
  }

  /** @param line COPY's number, from 1 */
  lineOf(line: number): number {
    if (this.#sections.length === 0) return this.#rawLines.lineOf(line);
    const index = lastAtMost(this.#rowsBefore, line - 1, this.#rowsBefore.length - 1);
    const { firstLine, lines } = this.#sections[index]!;
    const row = line - 1 - this.#rowsBefore[index]!;
    return firstLine + (lines?.[row] ?? row);
  }
}
