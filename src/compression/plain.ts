/** Reads files that are not compressed. */
import { Readable } from 'node:stream';
import type { Compression } from './compression.ts';
import { checkExpanded } from './limits.ts';

/** Detects any file, so it must be the last in COMPRESSIONS. */
export const plain: Compression = {
  name: 'plain',
  detect: () => true,
  async *entries(file, limits) {
    checkExpanded(file.sizeBytes, limits);
    yield {
      name: null,
      open: () => Readable.from(file.read(), { objectMode: false }),
      readInto: (start, place) => file.readInto(start, place),
    };
  },
};
