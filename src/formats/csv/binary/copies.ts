/** Joins sections of the same kind into one COPY, because each change of kind needs a COPY of its own. */

import type { CopyInput } from '../../format.ts';
import { binaryFormat } from '../../pg_binary/frame.ts';
import type { RowBytes } from '../../row_bytes.ts';
import type { FileLines } from '../normalize/file_lines.ts';
import { rawInput } from '../raw.ts';
import { LineMap } from './line_map.ts';
import type { Section, SectionPlan } from './sections.ts';

/** Yields one input for each run of consecutive sections of the same kind. */
export async function* toCopyInputs(
  sections: AsyncGenerator<Section>,
  { dialect, newline }: Pick<SectionPlan, 'dialect' | 'newline'>,
  fileLines: FileLines,
): AsyncGenerator<CopyInput> {
  try {
    let next = await sections.next();
    while (!next.done) {
      const { kind } = next.value;
      const lines = new LineMap();
      const data = async function* (): RowBytes {
        let rows = 0;
        while (!next.done && next.value.kind === kind && !lines.full) {
          lines.add(next.value);
          rows += next.value.rows;
          yield next.value.data;
          next = await sections.next();
        }
        return rows;
      };
      const lineOf = (line: number) => fileLines.lineOf(lines.lineOf(line));
      yield kind === 'raw' ? rawInput(data(), dialect, { newline, lineOf }) : binaryInput(data(), lineOf);
    }
  } finally {
    await sections.return(undefined);
  }
}

function binaryInput(rows: RowBytes, lineOf: CopyInput['lineOf']): CopyInput {
  return { ...binaryFormat(rows), lineOf, unit: 'line' };
}
