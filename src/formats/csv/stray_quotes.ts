/**
 * "Stray quotes" are quotes within a value, as in `5" pipe`, of a program that does not quote. For COPY they begin a quoted text, which
 * lasts until the next one: the rows between become a part of the value, in silence. A program that quotes puts its quotes around
 * the whole value. So a row is suspicious if a value holds line ends and has text before its first quote, or after its last.
 */

/** A suspicious row, and the lines that it has in the file. */
export interface StrayQuote {
  line: number;
  lastLine: number;
}

/** Remembers the first suspicious row of a part. */
export class StrayQuotes {
  first: StrayQuote | null = null;

  note(line: number, lastLine: number): void {
    this.first ??= { line, lastLine };
  }
}

export function describeStray({ line, lastLine }: StrayQuote): string {
  return (
    `the row on lines ${line} to ${lastLine} has a value with line ends and with text outside of its quotes, so it may hold other rows. ` +
    "If the file's quotes are no quotes, insert a row into file_formats with csv_quote '' and name it in file_format of the connector."
  );
}

const SPACE = 0x20;

/**
 * Returns whether a value that holds line ends has text outside of its quotes.
 * @param raw the field's bytes in the file
 */
export function isStray(raw: Uint8Array, quote: number): boolean {
  let from = 0;
  let to = raw.length;
  while (from < to && raw[from] === SPACE) from++;
  while (to > from && raw[to - 1] === SPACE) to--;
  return raw[from] !== quote || raw[to - 1] !== quote;
}
