import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';
import { faultPointAmid } from '../fault_points.ts';
import type { CopyInput, CopyPlan } from '../formats/format.ts';
import { CountedRows } from '../formats/row_bytes.ts';
import { lyingCount } from '../lies.ts';
import { addCounts, NO_ROWS, type RowCounts, reconcile } from '../reconcile.ts';
import { isTableChange, tableChanged, toImportError } from '../sql_errors.ts';
import { explainDenial, explainRefusedRole, RESET_ROLE, takeRole } from '../table/role.ts';
import type { TableColumn } from '../table/table.ts';

/** Bytes that are read ahead of the connection. */
const READ_AHEAD = 1 << 20;

/** Where COPY puts rows: the target table, or a staging table with the same columns. */
export interface Destination {
  /** Quoted, as it stands in a statement. */
  table: string;
  columns: TableColumn[];
  /** Whether it may take fewer rows than it is given, without an error: see TargetTable. */
  mayLeaveOut: boolean;
  /** COPY reads and converts the rows, and lands none. */
  landsNothing?: boolean;
}

/** Statements that go with a COPY as one message. */
export interface Around {
  before: string[];
  after: string[];
}

/** The columns that a plan fills, in the order of COPY's input. */
export function filledColumns(plan: CopyPlan): TableColumn[] {
  return [...plan.columns, ...plan.constants].map((column) => column.target);
}

/** A list of columns for a statement, quoted. */
export function quoteColumns(columns: { name: string }[]): string {
  return columns.map((column) => pg.escapeIdentifier(column.name)).join(', ');
}

/**
 * Runs one COPY after the other with a role's rights, on a connection that is in a transaction. Taking the role, the
 * COPY, and giving the role back go as one message.
 * @throws ConnectorError what PostgreSQL refused, with line and column; what the reader refused; `permission_denied`,
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

/**
 * One COPY of `copyInto`.
 */
export async function copyOnce(
  client: pg.ClientBase,
  role: string,
  destination: Destination,
  input: CopyInput,
  signal: AbortSignal,
  { before, after }: Around = { before: [], after: [] },
): Promise<RowCounts> {
  const { table, columns, landsNothing } = destination;
  const where = landsNothing ? ' where false' : '';
  const copyStatement = `copy ${table} (${quoteColumns(columns)}) from stdin with (${input.options})${where}`;
  const first = [...before, takeRole(role)];
  const copy = copyFrom([...first, copyStatement, RESET_ROLE, ...after].join('; '));
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
  const mayLeaveOut = destination.mayLeaveOut || landsNothing === true;
  return reconcile(lyingCount('given', rows.count), lyingCount('taken', copy.rowCount), mayLeaveOut);
}

/** What pg-copy-streams is told by pg, beyond its types. */
interface Followed extends CopyStreamQuery {
  handleCommandComplete(message: { text: string }, connection: unknown): void;
  handleCopyInResponse(connection: { stream: Socket }): void;
}

/** Notes that the statements before the COPY were done; and sends what there is of a short input as one packet. */
function follow(copy: CopyStreamQuery, statementsBefore: number): { roleTaken: boolean } {
  const progress = { roleTaken: false };
  let done = 0;
  const followed = copy as Followed;
  const { handleCommandComplete, handleCopyInResponse } = followed;
  followed.handleCommandComplete = (message, connection) => {
    progress.roleTaken = ++done >= statementsBefore;
    handleCommandComplete.call(copy, message, connection);
  };
  followed.handleCopyInResponse = (connection) => {
    const { stream } = connection;
    stream.cork();
    setImmediate(() => stream.uncork());
    handleCopyInResponse.call(copy, connection);
  };
  return progress;
}
