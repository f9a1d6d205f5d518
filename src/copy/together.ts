/** Copies the rows of several files into the target table by one COPY. */
import type pg from 'pg';
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
 * How many bytes of rows the files may have together. Small files may be highly compressed, and one transaction must not have all
 * of them: it would take long, and be undone as a whole.
 */
const MOST_BYTES = 64 << 20;

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
    const joined = new JoinedParts(parts);
    rows = joined.rows;
    try {
      const input = await joined.open();
      return input === null ? NO_ROWS : await runCopy(copy, destination, input);
    } finally {
      await joined.close();
    }
  };
  const guarded = copy.table.hasColumnstore ? withChunkGuard(copyRows) : copyRows;
  await guarded(copy, targetOf(copy.table, copy.plan));
  return rows;
}

/** @throws NotTogether the table could tell whether rows came by one statement, or may leave some out */
export async function refuseTable(client: pg.ClientBase, target: TargetTable): Promise<void> {
  const { schema, table, byInsert, splittable, mayLeaveOut } = target;
  if (byInsert || !splittable || mayLeaveOut)
    throw new NotTogether('the table has triggers or policies, or is no ordinary table');
  const { rows } = await client.query<{ looks: boolean }>(
    'select s3_connector_import.may_look_at_rows($1, $2) as looks',
    [schema, table],
  );
  if (rows[0]!.looks)
    throw new NotTogether('a default or a check of the table calls a function that may look at rows');
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

/** Parts of files as one input. Only one of them is open at a time, because an open one may hold memory, a file or a thread. */
class JoinedParts {
  /** The number of rows of each part that has been read. */
  readonly rows: number[] = [];
  readonly #parts: readonly PlannedPart[];
  #open: OpenInput | null = null;
  #bytes = 0;

  constructor(parts: readonly PlannedPart[]) {
    this.#parts = parts;
  }

  /** Returns the input; null if no part has rows. */
  async open(): Promise<CopyInput | null> {
    while (this.rows.length < this.#parts.length) {
      const first = await this.#next();
      // Of an error, the line does not matter: the files are imported again, each alone.
      if (first)
        return { options: first.options, data: this.#data(first), lineOf: (line) => line, unit: 'row' };
      this.rows.push(0);
    }
    return null;
  }

  async close(): Promise<void> {
    const { rest, bare } = this.#open ?? {};
    this.#open = null;
    await bare?.rows.return(0);
    await rest?.return?.();
  }

  async *#data(first: OpenInput): RowBytes {
    const { head, tail } = first.bare;
    let sum = 0;
    let input: OpenInput | null = first;
    yield head;
    for (;;) {
      const count: number = input === null ? 0 : yield* this.#rowsOf(input);
      await this.close();
      this.rows.push(count);
      sum += count;
      if (this.rows.length === this.#parts.length) break;
      input = await this.#next();
      if (input !== null && (input.options !== first.options || !equals(input.bare.head, head)))
        throw new NotTogether('the files are written in different ways');
    }
    yield tail;
    return sum;
  }

  /** Opens the next part; returns null if it has no rows. */
  async #next(): Promise<OpenInput | null> {
    this.#open = await openInput(this.#parts[this.rows.length]!);
    return this.#open;
  }

  async *#rowsOf({ bare: { rows, lineEnd }, rest }: OpenInput): RowBytes {
    const limited = this.#limit(rows);
    const count = lineEnd === null ? yield* limited : yield* withLastEnd(limited, lineEnd);
    if (!(await rest.next()).done) throw new NotTogether('a file needs several COPYs');
    return count;
  }

  async *#limit(rows: RowBytes): RowBytes {
    for (;;) {
      const { done, value } = await rows.next();
      if (done) return value;
      this.#bytes += value.length;
      if (this.#bytes > MOST_BYTES)
        throw new NotTogether('the files are much larger than they were in the bucket');
      yield value;
    }
  }
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
