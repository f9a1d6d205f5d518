/** Joins sections of the same kind into one COPY, because each change of kind needs a COPY of its own. */
import type { CopyInput } from '../format.ts';
import { asBinaryFile } from '../pg_binary/frame.ts';
import type { RowBytes } from '../row_bytes.ts';
import type { JsonPlan } from './plan.ts';
import { RowLines } from './row_lines.ts';
import type { Section } from './sections.ts';

/** Yields one input for each run of consecutive sections of the same kind. */
export async function* toCopyInputs(
  sections: AsyncGenerator<Section>,
  { splittable, unit }: Pick<JsonPlan, 'splittable' | 'unit'>,
): AsyncGenerator<CopyInput> {
  /** What the reader refused. It waits until COPY has judged the rows before. */
  let refused: { error: unknown } | undefined;
  const advance = () =>
    sections.next().catch((error: unknown) => {
      refused = { error };
      return { done: true as const, value: undefined };
    });
  try {
    let next = await advance();
    while (!next.done) {
      const { kind } = next.value;
      const lines = new RowLines();
      const data = async function* (): RowBytes {
        let rows = 0;
        while (!next.done && next.value.kind === kind && !(splittable && lines.full)) {
          lines.add(next.value);
          rows += next.value.rows;
          yield next.value.data;
          next = await advance();
        }
        return rows;
      };
      const rows = kind === 'binary' ? binary(data()) : text(data());
      yield { ...rows, lineOf: (row) => lines.lineOf(row), unit };
    }
    if (refused) throw refused.error;
  } finally {
    await sections.return(undefined);
  }
}

const binary = (rows: RowBytes) => ({ options: 'format binary', data: asBinaryFile(rows) });

/** Rows in COPY's text format. */
export const text = (data: RowBytes) => ({ options: "format text, encoding 'utf8'", data });
