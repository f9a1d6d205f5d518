/** Refuses compressions that are known but not supported. */
import { ConnectorError } from '../errors.ts';
import type { Compression } from './compression.ts';

/** The first bytes of such files, which would otherwise be read as CSV. */
const MAGICS: Record<string, string[]> = {
  bzip2: ['BZh[1-9]1AY&SY', 'BZh[1-9]\x17rE8P\x90'],
  xz: ['\xfd7zXZ\0'],
  lz4: ['\x04"M\x18', '\x02!L\x18'],
  snappy: ['\xff\x06\0\0sNaP'],
  lzip: ['LZIP\x01'],
  compress: ['\x1f\x9d'],
  '7-Zip': ["7z\xbc\xaf'\x1c"],
  RAR: ['Rar!\x1a\x07'],
};

/** Compressions that throw when they are read. */
export const unsupported: Compression[] = Object.entries(MAGICS).map(([name, magics]) => {
  const pattern = new RegExp(`^(${magics.join('|')})`, 's');
  return {
    name,
    detect: (start) => pattern.test(start.toString('latin1')),
    // biome-ignore lint/correctness/useYield: it only throws
    async *entries() {
      throw new ConnectorError(
        'unsupported_compression',
        `the file is compressed with ${name}; only gzip, zip and zstd are supported`,
        { hint: 'Compress it with one of these, or not at all.' },
      );
    },
  };
});
