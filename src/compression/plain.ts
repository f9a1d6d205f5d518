import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Compression } from './compression.ts';
import { checkExpanded } from './limits.ts';

/** A file that is not compressed: whatever no other one knows. */
export const plain: Compression = {
  name: 'plain',
  detect: () => true,
  async *entries(path, limits) {
    checkExpanded((await stat(path)).size, limits);
    yield { name: null, open: () => Readable.from(read(path), { objectMode: false }) };
  },
};

/** A generator, so that the file is not opened before it is read. */
async function* read(path: string): AsyncGenerator<Buffer> {
  yield* createReadStream(path);
}
