import { Readable } from 'node:stream';
import type { Compression } from './compression.ts';
import { checkExpanded } from './limits.ts';

/** A file that is not compressed: whatever no other one knows. */
export const plain: Compression = {
  name: 'plain',
  detect: () => true,
  async *entries(file, limits) {
    checkExpanded(file.sizeBytes, limits);
    yield { name: null, open: () => Readable.from(file.read(), { objectMode: false }) };
  },
};
