import type { CsvDialect } from '../../src/formats/csv/dialect.ts';

/** The usual dialect, with changes. */
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

/** A number from 0 up to, and without, `below`. */
export type Random = (below: number) => number;

/** Numbers that are always the same for a seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random(items.length)] as T;
}

/** How many random files a test tries; raise it by the environment for a long run. */
export const ROUNDS = Number(process.env.CSV_ROUNDS ?? 400);

/** Runs `body` for many seeds and names the seed that failed. */
export async function forSeeds(body: (random: Random, seed: number) => Promise<void>): Promise<void> {
  const first = Number(process.env.CSV_SEED ?? 1);
  for (let seed = first; seed < first + ROUNDS; seed++) {
    try {
      await body(seeded(seed), seed);
    } catch (cause) {
      throw new Error(`failed with CSV_SEED=${seed}: ${(cause as Error).message}`, { cause });
    }
  }
}

export const DIALECTS: CsvDialect[] = [
  dialectOf(),
  dialectOf({ escape: '\\' }),
  dialectOf({ delimiter: ';', quote: "'", escape: "'", nullText: 'NULL' }),
  dialectOf({ delimiter: '\t', escape: "'" }),
  dialectOf({ delimiter: '|', escape: '|', nullText: '-' }),
];

/** Bytes in chunks of random sizes, often of one byte; an empty chunk now and then. */
export async function* inChunks(bytes: Buffer, random: Random): AsyncGenerator<Buffer> {
  const largest = pick(random, [1, 2, 5, 50, 100_000]);
  for (let at = 0; at < bytes.length; ) {
    const size = random(20) === 0 ? 0 : 1 + random(largest);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}

/**
 * A file of mostly `columns` fields a record, made to be nasty: quotes in mid-field, newlines in quotes, escapes
 * before anything, empty lines, and, one in a few, wrong in some way.
 */
export function nastyCsv(random: Random, dialect: CsvDialect, columns: number): string {
  const newline = pick(random, ['\n', '\n', '\r\n', '\r']);
  const wrong = random(3) === 0;
  let text = '';
  const records = random(12);
  for (let record = 0; record < records; record++) {
    const count = wrong && random(6) === 0 ? 1 + random(columns + 2) : columns;
    const fields = Array.from({ length: count }, () => nastyField(random, dialect, wrong));
    const last = record === records - 1;
    const end = wrong && random(8) === 0 ? pick(random, ['\n', '\r', '\r\n', '']) : newline;
    text += fields.join(dialect.delimiter) + (last && random(2) === 0 ? '' : end);
  }
  return text;
}

function nastyField(random: Random, dialect: CsvDialect, wrong: boolean): string {
  const { delimiter, quote, escape: escapeChar, nullText } = dialect;
  const plain = ['', 'a', 'b2', 'é', '日本', '\\', '\\.', ' ', '.', '0', nullText].filter(
    (piece) => !piece.includes(delimiter) && !piece.includes(quote),
  );
  const quoted = [
    ...plain,
    delimiter,
    '\n',
    '\r',
    '\r\n',
    escapeChar + quote,
    escapeChar + escapeChar,
  ].filter(Boolean);
  let field = '';
  for (let pieces = random(4); pieces > 0; pieces--) {
    if (random(3) > 0) field += pick(random, plain);
    else
      field += quote + Array.from({ length: random(5) }, () => safe(pick(random, quoted))).join('') + quote;
  }
  return wrong && random(10) === 0 ? field + pick(random, [quote, escapeChar, '\r', '\n']) : field;

  /** A lone escape before the closing quote would keep it open: that is for the wrong files. */
  function safe(piece: string): string {
    return !wrong && piece === escapeChar ? piece + escapeChar : piece;
  }
}
