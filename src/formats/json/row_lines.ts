/** Maps the row number in COPY's error to the line of the file on which the record starts. */
import type { Section } from './sections.ts';

/** The most line numbers that are kept, 4 bytes each, before a COPY should end. */
const MAX_KEPT = 4_000_000;

type Lines = Pick<Section, 'rows' | 'firstLine' | 'lines'>;

export class RowLines {
  readonly #sections: (Lines & { rowsBefore: number })[] = [];
  #rows = 0;
  #kept = 0;

  /** Whether no more sections should be added. */
  get full(): boolean {
    return this.#kept > MAX_KEPT;
  }

  add({ rows, firstLine, lines }: Lines): void {
    this.#sections.push({ rowsBefore: this.#rows, rows, firstLine, lines });
    this.#rows += rows;
    this.#kept += lines?.length ?? 0;
  }

  /** @param row COPY's number, from 1 */
  lineOf(row: number): number {
    let low = 0;
    let high = this.#sections.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#sections[middle]!.rowsBefore < row) low = middle;
      else high = middle - 1;
    }
    const { rowsBefore, firstLine, lines } = this.#sections[low]!;
    const index = row - 1 - rowsBefore;
    return lines?.[index] ?? firstLine + index;
  }
}
