/** Runs COPYs into a table, with the owner's rights. */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';
import { injectCountFault } from '../data_faults.ts';
import { faultPointAmid } from '../fault_points.ts';
import type { CopyInput, CopyPlan } from '../formats/format.ts';
import { CountedRows } from '../formats/row_bytes.ts';
import { addCounts, NO_ROWS, type RowCounts, reconcile } from '../reconcile.ts';
import { isTableChange, tableChanged, toImportError } from '../sql_errors.ts';
import { enterRole, explainDenial, explainRefusedRole, LEAVE_ROLE } from '../table/role.ts';
import type { TableColumn } from '../table/table.ts';

/** How much is read ahead of the connection, in bytes. */
const READ_AHEAD = 1 << 20;

/** The table of a COPY: the target, or a staging table with the same columns. */
export interface Destination {
  /** Quoted, for a statement. */
  table: string;
  columns: TableColumn[];
  /** Whether it may leave rows out without an error: see TargetTable. */
  mayLeaveOut: boolean;
  /** COPY reads and converts the rows, and inserts none. */
  insertsNothing?: boolean;
}

/** Statements that are sent in one message with a COPY. */
export interface Around {
  before: string[];
  after: string[];
}

/** Returns the columns that a plan fills, in the order of COPY's input. */
export function filledColumns(plan: CopyPlan): TableColumn[] {
  return [...plan.columns, ...plan.constants].map((column) => column.target);
}

/** Returns a list of columns, quoted for a statement. */
export function quoteColumns(columns: { name: string }[]): string {
  return columns.map((column) => pg.escapeIdentifier(column.name)).join(', ');
}

/**
 * Runs one COPY for each input with a role's rights, on a connection that is in a transaction. Entering the role, COPY and
 * leaving it are sent in one message.
 * @throws ConnectorError PostgreSQL's errors, with line and column; the reader's errors; `permission_denied`,
 *   `owner_missing`, `rows_do_not_add_up`
 */
export async function copyInto(
  client: pg.ClientBase,
  role: string,
  destination: Destination,
  inputs: AsyncIterable<CopyInput> | Iterable<CopyInput>,
  signal: AbortSignal,
): Promise<RowCounts> {
  let counts: RowCounts = NO_ROWS;
  for await (const input of inputs)
    counts = addCounts(counts, await copyOnce(client, role, destination, input, signal));
  return counts;
}

/** Runs one COPY of `copyInto`. */
export async function copyOnce(
  client: pg.ClientBase,
  role: string,
  destination: Destination,
  input: CopyInput,
  signal: AbortSignal,
  { before, after }: Around = { before: [], after: [] },
): Promise<RowCounts> {
  const { table, columns, insertsNothing } = destination;
  const where = insertsNothing ? ' where false' : '';
  const copyStatement = `copy ${table} (${quoteColumns(columns)}) from stdin with (${input.options})${where}`;
  const first = [...before, ...enterRole(role)];
  const copy = copyFrom([...first, copyStatement, ...LEAVE_ROLE, ...after].join('; '));
  const progress = follow(copy, first.length);
  const rows = new CountedRows(input.data);
  client.query(copy);
  try {
    const data = faultPointAmid('copying', rows);
    await pipeline(Readable.from(data, { objectMode: false, highWaterMark: READ_AHEAD }), copy, { signal });
  } catch (error) {
    if (!progress.roleTaken) throw explainRefusedRole(error, role);
    if (isTableChange(error)) throw tableChanged(error);
    throw explainDenial(toImportError(error, input), role);
  }
  const mayLeaveOut = destination.mayLeaveOut || insertsNothing === true;
  return reconcile(
    injectCountFault('given', rows.count),
    injectCountFault('taken', copy.rowCount),
    mayLeaveOut,
  );
}

/** Handlers of pg-copy-streams that pg calls, and that its types do not declare. */
interface WithHandlers extends CopyStreamQuery {
  handleCommandComplete(message: { text: string }, connection: unknown): void;
  handleCopyInResponse(connection: { stream: Socket }): void;
  handleRowDescription(): void;
  handleDataRow(): void;
}

/** Notes when the statements before the COPY are done, and sends a short input as one packet. */
function follow(copy: CopyStreamQuery, statementsBefore: number): { roleTaken: boolean } {
  const progress = { roleTaken: false };
  let done = 0;
  const followed = copy as WithHandlers;
  const { handleCommandComplete, handleCopyInResponse } = followed;
  followed.handleCommandComplete = (message, connection) => {
    progress.roleTaken = ++done >= statementsBefore;
    handleCommandComplete.call(copy, message, connection);
  };
  // A statement before the COPY returns a row.
  followed.handleRowDescription = () => {};
  followed.handleDataRow = () => {};
  followed.handleCopyInResponse = (connection) => {
    const { stream } = connection;
    stream.cork();
    setImmediate(() => stream.uncork());
    handleCopyInResponse.call(copy, connection);
  };
  return progress;
}
