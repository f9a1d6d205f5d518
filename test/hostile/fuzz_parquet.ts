import { parquetOf } from '../support/parquet.ts';
import { pick, type Random } from '../support/random.ts';
import { mutate } from './mutate.ts';

/** Queries for the Parquet files that are broken: every encoding, compression and nesting. */
const QUERIES: Record<string, [query: string, options: string]> = {
  scalars: [
    `select i, i::smallint as s, i * 1.5 as n, i::double as d, 'text ' || (i % 7) as t, i % 3 = 0 as b,
      date '2026-01-01' + i::integer as day, make_timestamp(i * 1000000) as at, null::integer as nothing,
      uuid() as u, encode('blob' || i) as bytes from range(700) r(i)`,
    '',
  ],
  groups: [
    "select i, repeat('x', (i % 50)::integer) as t from range(6000) r(i)",
    ', row_group_size 2048, codec zstd',
  ],
  plain: [
    'select i, hash(i) as h, i::float as f from range(900) r(i)',
    ', codec uncompressed, dictionary_size_limit 1',
  ],
  nested: [
    `select i, [i, i + 1, null] as list, {'a': i, 'b': ['x', 'y' || i]} as struct, map {'k' || i: i} as map,
      [[i], []] as lists from range(400) r(i)`,
    ', codec gzip',
  ],
  delta: [
    "select i, i::integer as n, 'common prefix ' || i as t, i::decimal(18,3) as m, i::decimal(38,3) as l from range(800) r(i)",
    ', parquet_version v2, codec snappy, dictionary_size_limit 1',
  ],
  wide: [
    `select ${Array.from({ length: 60 }, (_, i) => `i + ${i} as c${i}`).join(', ')} from range(50) r(i)`,
    ', codec lz4_raw',
  ],
};

export const PARQUET_SHAPES = Object.keys(QUERIES);

/** An unbroken file of a shape. */
export async function cleanParquet(shape: string): Promise<Buffer> {
  const [query, options] = QUERIES[shape]!;
  return await parquetOf(query, options);
}

const TOKENS = [
  'PAR1',
  '\0',
  '\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01',
  '\x15\0',
  '\x19\x0c',
  '\x80\x80\x80\x80\x08',
];
const END_BYTES = 8;

/** Breaks the file: in its pages, its footer, the footer's length, or anywhere. */
export function fuzzedParquet(random: Random, clean: Buffer): Buffer {
  const end = clean.length - END_BYTES;
  const footerBytes = clean.readUInt32LE(end);
  const parts = [clean.subarray(0, end - footerBytes), clean.subarray(end - footerBytes, end)] as const;
  const [pages, footer] = parts;
  switch (random(6)) {
    case 0:
      return mutate(random, clean, TOKENS);
    case 1:
      return Buffer.concat([flipBit(random, Buffer.from(pages)), clean.subarray(pages.length)]);
    case 2: {
      // The footer's offsets of pages are right only if the length is unchanged.
      const mutated = mutate(random, pages, TOKENS);
      const same = Buffer.concat([mutated, Buffer.alloc(pages.length)]).subarray(0, pages.length);
      return Buffer.concat([same, clean.subarray(pages.length)]);
    }
    case 3:
      return lengthen(
        pages,
        footer,
        pick(random, [0, 1, footerBytes - 1, footerBytes * 2, 0x7fffffff, 0xffffffff]),
      );
    default: {
      const mutated = random(2) === 0 ? flipBit(random, Buffer.from(footer)) : mutate(random, footer, TOKENS);
      return lengthen(pages, mutated, mutated.length);
    }
  }
}

function flipBit(random: Random, bytes: Buffer): Buffer {
  const at = random(bytes.length);
  bytes[at] = bytes[at]! ^ (1 << random(8));
  return bytes;
}

function lengthen(pages: Buffer, footer: Buffer, length: number): Buffer {
  const end = Buffer.from('....PAR1');
  end.writeUInt32LE(length);
  return Buffer.concat([pages, footer, end]);
}
