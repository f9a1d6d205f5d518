/** Copies the rows of a part as its format gives them. */
import type { CopyInput } from '../formats/format.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../reconcile.ts';
import { announce } from './announce.ts';
import type { Destination } from './destination.ts';
import type { PartCopy } from './part_copy.ts';
import { runCopy } from './statement.ts';

/**
 * Runs one COPY for each of the part's inputs, in the order of the file.
 * @throws ConnectorError the errors of `runCopy`
 */
export function copyPlain(copy: PartCopy, destination: Destination): Promise<RowCounts> {
  return copyInputs(copy, destination, copy.part.copyInputs(copy.plan));
}

/** Runs one COPY for each input. */
export async function copyInputs(
  copy: PartCopy,
  destination: Destination,
  inputs: AsyncIterable<CopyInput> | Iterable<CopyInput>,
): Promise<RowCounts> {
  let counts: RowCounts = NO_ROWS;
  for await (const input of inputs) {
    const around = { before: announce(copy, counts.read), after: [] };
    counts = addCounts(counts, await runCopy(copy, destination, input, around));
  }
  return counts;
}
