import { gzipSync, zstdCompressSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { pick, type Random } from '../support/random.ts';
import { mutate } from './mutate.ts';

/** Values that the columns of FUZZED_COLUMNS accept, and values that they do not. */
const VALUES = {
  usual: ['1', '-20', '30000', '0', 'true', 'a', 'b c', '2026-01-02', '1.5', '', '', 'é', '日本'],
  wild: [
    '99999999999999999999',
    'NaN',
    '1e400',
    "'; drop table fuzz_csv; --",
    '$(reboot)',
    '=cmd()',
    '\\.',
    '\\N',
    '""',
    '0x10',
    'infinity',
    '2026-13-45',
    '\u{10ffff}',
    'x'.repeat(300),
  ],
};

/** The columns that fuzzed files fill, as a table defines them. */
export const FUZZED_COLUMNS = 'a integer, b text, c numeric, d text, e date';
const HEADER = 'a,b,c,d,e';
const USUAL: ((random: Random) => string)[] = [
  (random) => String(random(100_000) - 50_000),
  (random) => pick(random, VALUES.usual),
  (random) => String(random(1_000_000) / 1000),
  (random) => (random(4) === 0 ? `"${pick(random, ['a""b', 'x,y', 'line\nbreak', ''])}"` : 'text'),
  (random) => `2026-${String(1 + random(12)).padStart(2, '0')}-${String(1 + random(28)).padStart(2, '0')}`,
];

/** Bytes that change the meaning of others in a CSV. */
const TOKENS = [
  '"',
  '""',
  ',',
  '\n',
  '\r',
  '\r\n',
  '\\',
  '\n\\.\n',
  '\0',
  '\xff',
  '\xc3',
  '\xef\xbb\xbf',
  '\t',
  "'",
];
/** First bytes of compressed files, also of unsupported formats. */
const MAGICS = [
  '\x1f\x8b\x08',
  'PK\x03\x04',
  '\x28\xb5\x2f\xfd',
  'BZh91AY&SY',
  '\xfd7zXZ\0',
  '\x50\x2a\x4d\x18',
];

/** A file with its extension: almost a CSV, sometimes compressed, mostly broken. */
export function fuzzedCsv(random: Random): { extension: string; body: Buffer } {
  const text = Buffer.from(writeRows(random));
  const broken = random(5) === 0 ? text : mutate(random, text, TOKENS);
  switch (random(10)) {
    case 0:
      return { extension: 'csv.gz', body: perhapsBroken(random, gzipSync(broken, { level: 1 })) };
    case 1:
      return { extension: 'csv.zst', body: perhapsBroken(random, zstdCompressSync(broken)) };
    case 2:
      return { extension: 'zip', body: perhapsBroken(random, zipOf(random, broken)) };
    case 3:
      return { extension: 'csv', body: Buffer.concat([Buffer.from(pick(random, MAGICS), 'latin1'), broken]) };
    case 4:
      return { extension: 'csv', body: noise(random) };
    default:
      return { extension: 'csv', body: broken };
  }
}

function writeRows(random: Random): string {
  const newline = pick(random, ['\n', '\n', '\n', '\r\n', '\r']);
  const rows = random(20) === 0 ? random(3000) : random(30);
  const lines = [random(20) === 0 ? HEADER.toUpperCase() : HEADER];
  for (let i = 0; i < rows; i++) {
    const fields = USUAL.map((value) => (random(60) === 0 ? pick(random, VALUES.wild) : value(random)));
    if (random(300) === 0) fields.splice(random(5), 1);
    lines.push(fields.join(','));
  }
  return lines.join(newline) + (random(3) === 0 ? '' : newline);
}

function perhapsBroken(random: Random, bytes: Buffer): Buffer {
  return random(3) === 0 ? bytes : mutate(random, bytes, MAGICS);
}

function zipOf(random: Random, text: Buffer): Buffer {
  const names = ['a.csv', '../b.csv', '/c.csv', 'd/e.csv', "f'\n.csv"].slice(0, 1 + random(5));
  return Buffer.from(
    zipSync(Object.fromEntries(names.map((name) => [name, random(4) === 0 ? strToU8(HEADER) : text]))),
  );
}

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random(400) }, () => random(256)));
}
