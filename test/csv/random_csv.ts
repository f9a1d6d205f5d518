import fc from 'fast-check';
import type { CsvDialect } from '../../src/formats/csv/dialect.ts';

/** The usual dialect, with variations. */
export function dialectOf(changes: Partial<CsvDialect> = {}): CsvDialect {
  return {
    delimiter: ',',
    quote: '"',
    escape: '"',
    nullText: '',
    encoding: 'utf-8',
    header: false,
    ...changes,
  };
}

/** Number of random inputs, as a factor of each test's own number. The environment sets it: 400 for a full run. */
const ROUNDS = Number(process.env.CSV_ROUNDS ?? 200) / 400;

/**
 * Tests a property with random input. A failing input is reduced; fast-check's message ends with the
 * seed, which CSV_SEED takes.
 */
export function check<T>(rounds: number, arbitrary: fc.Arbitrary<T>, body: (input: T) => Promise<void>) {
  return fc.assert(fc.asyncProperty(arbitrary, body), {
    seed: Number(process.env.CSV_SEED ?? 1),
    numRuns: Math.ceil(rounds * ROUNDS),
    // Reducing the input may take as long as a person wants to wait.
    interruptAfterTimeLimit: 900_000 * Math.max(1, ROUNDS),
    markInterruptAsFailure: true,
    includeErrorInReport: true,
  });
}

export const DIALECTS: CsvDialect[] = [
  dialectOf(),
  dialectOf({ escape: '\\' }),
  dialectOf({ delimiter: ';', quote: "'", escape: "'", nullText: 'NULL' }),
  dialectOf({ delimiter: '\t', escape: "'" }),
  dialectOf({ delimiter: '|', escape: '|', nullText: '-' }),
];

/** Chunk sizes, used in turn; some chunks are empty. */
export const chunkSizes: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant([100_000]),
  fc.constant([1]),
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 10 }),
  fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 10 }),
);

/** Splits bytes into chunks of these sizes. */
export async function* inChunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let turn = 0;
  for (let at = 0; at < bytes.length; turn++) {
    // Sizes that are all zero would never end.
    const size = sizes[turn % sizes.length]! || turn % 2;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}

/** A file in some dialect, with mostly `columns` fields a record. */
export interface DifficultFile {
  dialect: CsvDialect;
  columns: number;
  text: string;
}

/**
 * Files with difficult syntax: quotes in mid-field, newlines in quotes, escapes before anything, empty lines; some are
 * invalid.
 */
export function difficultFiles(maxColumns: number, header = false): fc.Arbitrary<DifficultFile> {
  const form = fc.record({
    dialect: fc.constantFrom(...DIALECTS.map((dialect) => ({ ...dialect, header }))),
    columns: fc.integer({ min: 1, max: maxColumns }),
    wrong: fc.nat(2).map((n) => n === 2),
    newline: fc.constantFrom('\n', '\n', '\r\n', '\r'),
    open: fc.boolean(),
  });
  return form.chain(({ dialect, columns, wrong, newline, open }) =>
    fc.array(difficultRecord(dialect, columns, wrong, newline), { maxLength: 12 }).map((records) => {
      const text = records.map(({ fields, end }) => fields.join(dialect.delimiter) + end).join('');
      const last = records.at(-1)?.end.length ?? 0;
      return { dialect, columns, text: open ? text.slice(0, text.length - last) : text };
    }),
  );
}

function difficultRecord(
  dialect: CsvDialect,
  columns: number,
  wrong: boolean,
  newline: string,
): fc.Arbitrary<{ fields: string[]; end: string }> {
  const count = rarely(wrong, 6, fc.constant(columns), fc.integer({ min: 1, max: columns + 2 }));
  const end = rarely(wrong, 8, fc.constant(newline), fc.constantFrom('\n', '\r', '\r\n', ''));
  const field = difficultField(dialect, wrong);
  const fields = count.chain((length) => fc.array(field, { minLength: length, maxLength: length }));
  return fc.record({ fields, end });
}

/** Returns one value in one of `n` cases, the other otherwise. */
function rarely<T>(
  ever: boolean,
  n: number,
  usual: fc.Arbitrary<T>,
  other: fc.Arbitrary<T>,
): fc.Arbitrary<T> {
  if (!ever) return usual;
  return fc.oneof({ weight: n - 1, arbitrary: usual }, { weight: 1, arbitrary: other });
}

function difficultField(dialect: CsvDialect, wrong: boolean): fc.Arbitrary<string> {
  const { delimiter, quote, escape: escapeChar, nullText } = dialect;
  const plain = ['', 'a', 'b2', 'é', '日本', '\\', '\\.', ' ', '.', '0', nullText].filter(
    (piece) => !piece.includes(delimiter) && !piece.includes(quote),
  );
  const quoted = [...plain, delimiter, '\n', '\r', '\r\n', escapeChar + quote, escapeChar + escapeChar]
    // A lone escape before the closing quote would keep it open: only invalid files may have it.
    .map((piece) => (!wrong && piece === escapeChar ? piece + escapeChar : piece));
  const part = fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...plain) },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.constantFrom(...quoted), { maxLength: 4 })
        .map((pieces) => quote + pieces.join('') + quote),
    },
  );
  const field = fc.array(part, { maxLength: 3 }).map((parts) => parts.join(''));
  const broken = fc.constantFrom(quote, escapeChar, '\r', '\n');
  return rarely(
    wrong,
    10,
    field,
    fc.tuple(field, broken).map((parts) => parts.join('')),
  );
}
