/** Finds a quote that is never closed, as DuckDB reads CSV: DuckDB leaves out its row and all rows after it, without an error. */
import { ConnectorError } from '../../errors.ts';
import type { CsvOptions } from './options.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

type QuoteOptions = Pick<CsvOptions, 'csv_delimiter' | 'csv_quote' | 'csv_escape' | 'skip_lines'>;

/**
 * Passes a file on unchanged.
 * @throws ConnectorError `unterminated_quote` at its end, if a quote is still open
 */
export async function* refuseOpenQuote(
  chunks: AsyncIterable<Buffer>,
  options: QuoteOptions,
): AsyncGenerator<Buffer> {
  const scanner = options.csv_quote === '' ? null : new QuoteScanner(options);
  for await (const chunk of chunks) {
    scanner?.scan(chunk);
    yield chunk;
  }
  const line = scanner?.openedAt ?? null;
  if (line === null) return;
  throw new ConnectorError('unterminated_quote', `line ${line}: a quote opens that is never closed`, {
    line,
    hint: 'Fix the file, or csv_quote of its file format.',
  });
}

/** A quote opens a value at the start of a field, after any blanks. Elsewhere it is a character like others. */
class QuoteScanner {
  readonly #delimiter: Buffer;
  readonly #quote: number;
  readonly #escape: number;
  #linesToSkip: number;
  #line = 1;
  #state: 'start' | 'inside' | 'quoted' | 'escaped' | 'quote in quotes' = 'start';
  /** How many bytes of the delimiter were found. */
  #matched = 0;
  #afterCr = false;
  #quotedFrom = 0;

  constructor({ csv_delimiter, csv_quote, csv_escape, skip_lines }: QuoteOptions) {
    this.#delimiter = Buffer.from(csv_delimiter);
    this.#quote = csv_quote.charCodeAt(0);
    this.#escape = csv_escape.charCodeAt(0);
    this.#linesToSkip = skip_lines;
  }

  /** The line on which a quote opens that is not closed so far; null: there is none. */
  get openedAt(): number | null {
    return this.#state === 'quoted' || this.#state === 'escaped' ? this.#quotedFrom : null;
  }

  scan(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      const endsLine = byte === CR || (byte === LF && !this.#afterCr);
      this.#afterCr = byte === CR;
      if (this.#linesToSkip > 0) {
        if (endsLine) this.#linesToSkip--;
      } else {
        this.#take(byte);
      }
      if (endsLine) this.#line++;
    }
  }

  #take(byte: number): void {
    switch (this.#state) {
      case 'escaped':
        this.#state = 'quoted';
        return;
      case 'quoted':
        if (byte === this.#quote) this.#state = this.#escape === this.#quote ? 'quote in quotes' : 'inside';
        else if (byte === this.#escape) this.#state = 'escaped';
        return;
      case 'quote in quotes':
        if (byte === this.#quote) this.#state = 'quoted';
        else this.#outside(byte);
        return;
      default:
        this.#outside(byte);
    }
  }

  #outside(byte: number): void {
    if (this.#state === 'start' && byte === this.#quote) {
      this.#state = 'quoted';
      this.#quotedFrom = this.#line;
      this.#matched = 0;
      return;
    }
    this.#matched = byte === this.#delimiter[this.#matched] ? this.#matched + 1 : 0;
    const isDelimiter = this.#matched === this.#delimiter.length;
    if (isDelimiter) this.#matched = 0;
    const isStart = isDelimiter || byte === LF || byte === CR || (this.#state === 'start' && byte === SPACE);
    this.#state = isStart ? 'start' : 'inside';
  }
}
