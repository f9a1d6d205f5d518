/** Copies the rows of several files into the target table by one COPY. */
import type { CopyInput, CopyPlan, FilePart } from '../formats/format.ts';
import type { BareRows, RowBytes } from '../formats/row_bytes.ts';
import { NO_ROWS } from '../reconcile.ts';
import type { TargetTable } from '../table/table.ts';
import { withChunkGuard } from './chunk_guard.ts';
import { filledColumns, quoteColumns, targetOf } from './destination.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';
import { runCopy } from './statement.ts';

/** Files, or their table, do not allow that they share a COPY. Each of them may be imported alone. */
export class NotTogether extends Error {}

/** A part of a file, and its plan. */
export interface PlannedPart {
  part: FilePart;
  plan: CopyPlan;
}

/**
 * Copies parts of files, in order. Every row must be taken.
 * @param copy the first of the parts
 * @returns the number of rows of each part
 * @throws NotTogether; ConnectorError the errors of `runCopy`, without the place of a bad row
 */
export async function copyTogether(copy: PartCopy, parts: readonly PlannedPart[]): Promise<number[]> {
  for (const { plan } of parts) refuseOtherPlan(plan, copy);
  let rows: number[] = [];
  const copyRows: CopyRows = async (_, destination) => {
    rows = [];
    const input = await join(parts, rows);
    return input === null ? NO_ROWS : await runCopy(copy, destination, input);
  };
  const guarded = copy.table.hasColumnstore ? withChunkGuard(copyRows) : copyRows;
  await guarded(copy, targetOf(copy.table, copy.plan));
  return rows;
}

/** @throws NotTogether the table could tell whether rows came by one statement, or may leave some out */
export function refuseTable({ byInsert, splittable, mayLeaveOut }: TargetTable): void {
  if (byInsert || !splittable || mayLeaveOut)
    throw new NotTogether('the table has triggers or policies, or is no ordinary table');
}

/** @throws NotTogether the plan needs more than a COPY, or fills other columns than the first one */
function refuseOtherPlan(plan: CopyPlan, first: PartCopy): void {
  if (plan.computed.length > 0 || plan.rescue !== null)
    throw new NotTogether('values are computed or rescued from a staging table');
  const columns = quoteColumns(filledColumns(plan));
  if (columns !== quoteColumns(filledColumns(first.plan)))
    throw new NotTogether(`the files have different columns, for example ${columns}`);
}

/** An input, and the iterator that says whether another one follows. */
interface OpenInput {
  options: string;
  bare: BareRows;
  rest: AsyncIterator<CopyInput> | Iterator<CopyInput>;
}

/**
 * Returns one input with the rows of all parts; null if there are none.
 * @param rows gets the number of rows of each part
 */
async function join(parts: readonly PlannedPart[], rows: number[]): Promise<CopyInput | null> {
  const inputs: (OpenInput | null)[] = [];
  for (const part of parts) inputs.push(await openInput(part));
  const first = inputs.find((input) => input !== null);
  if (!first) {
    rows.push(...inputs.map(() => 0));
    return null;
  }
  for (const input of inputs)
    if (input !== null && (input.options !== first.options || !equals(input.bare.head, first.bare.head)))
      throw new NotTogether('the files are written in different ways');
  const { head, tail } = first.bare;
  const data = async function* (): RowBytes {
    let sum = 0;
    yield head;
    for (const input of inputs) {
      const count = input === null ? 0 : yield* rowsOf(input);
      rows.push(count);
      sum += count;
    }
    yield tail;
    return sum;
  };
  // Of an error, the line does not matter: the files are imported again, each alone.
  return { options: first.options, data: data(), lineOf: (line) => line, unit: 'row' };
}

async function openInput({ part, plan }: PlannedPart): Promise<OpenInput | null> {
  const inputs = part.copyInputs(plan);
  const rest = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  const { done, value } = await rest.next();
  if (done) return null;
  const { options, bare } = value;
  if (!bare) throw new NotTogether('the rows have no form in which they can be joined');
  return { options, bare, rest };
}

async function* rowsOf({ bare: { rows, lineEnd }, rest }: OpenInput): RowBytes {
  const count = lineEnd === null ? yield* rows : yield* withLastEnd(rows, lineEnd);
  if (!(await rest.next()).done) throw new NotTogether('a file needs several COPYs');
  return count;
}

/** The last row of a file may have no line end. */
async function* withLastEnd(rows: RowBytes, lineEnd: Uint8Array): RowBytes {
  let lastByte: number | undefined;
  const noting = async function* (): RowBytes {
    for (;;) {
      const { done, value } = await rows.next();
      if (done) return value;
      if (value.length > 0) lastByte = value.at(-1);
      yield value;
    }
  };
  const count = yield* noting();
  if (lastByte !== undefined && lastByte !== lineEnd.at(-1)) yield lineEnd;
  return count;
}

function equals(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
