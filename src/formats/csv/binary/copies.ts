import { BINARY_HEADER, BINARY_TRAILER } from '../../binary_copy.ts';
import type { CopyInput } from '../../format.ts';
import { LineMap } from './line_map.ts';
import type { Section } from './sections.ts';

/** Puts sections of one kind that follow each other into one COPY. */
export async function* toCopyInputs(
  sections: AsyncGenerator<Section>,
  rawOptions: string,
): AsyncGenerator<CopyInput> {
  try {
    let next = await sections.next();
    while (!next.done) {
      const { kind } = next.value;
      const lines = new LineMap();
      const data = async function* () {
        while (!next.done && next.value.kind === kind && !lines.full) {
          lines.add(next.value);
          yield next.value.data;
          next = await sections.next();
        }
      };
      yield {
        options: kind === 'raw' ? rawOptions : 'format binary',
        data: kind === 'raw' ? data() : asBinaryFile(data()),
        lineOf: (line) => lines.lineOf(line),
        unit: 'line',
      };
    }
  } finally {
    await sections.return(undefined);
  }
}

async function* asBinaryFile(rows: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield BINARY_HEADER;
  yield* rows;
  yield BINARY_TRAILER;
}
