/** Runs one COPY statement with the owner's rights. */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';
import { injectCountFault } from '../data_faults.ts';
import { amid } from '../fault_points.ts';
import type { CopyInput } from '../formats/format.ts';
import { CountedRows } from '../formats/row_bytes.ts';
import { type RowCounts, reconcile } from '../reconcile.ts';
import { asBadRow, isConflict, isTableChange, tableChanged, toImportError } from '../sql_errors.ts';
import { enterRole, explainDenial, explainRefusedRole, LEAVE_ROLE } from '../table/role.ts';
import { written } from '../written_buffers.ts';
import { type Destination, quoteColumns } from './destination.ts';
import type { CopyContext } from './part_copy.ts';

/** How much is read ahead of the connection, in bytes. */
const READ_AHEAD = 1 << 20;

/** Statements that are sent in one message with a COPY. */
export interface Around {
  before: string[];
  /** With the owner's rights, instead of what moves the rows on. Then nobody counts them. */
  within?: string[];
  after: string[];
}

/**
 * Runs one COPY with the owner's rights, on a connection that is in a transaction. Entering the role, COPY and leaving it are
 * sent in one message.
 * @throws ConnectorError PostgreSQL's errors, with line and column; the reader's errors; `permission_denied`,
 *   `owner_missing`, `rows_do_not_add_up`
 */
export async function runCopy(
  { client, connector: { owner }, signal }: CopyContext,
  destination: Destination,
  input: CopyInput,
  { before, within, after }: Around = { before: [], after: [] },
): Promise<RowCounts> {
  const { table, columns, insertsNothing } = destination;
  const onward = within ?? (insertsNothing ? [] : (destination.onward ?? []));
  const where = insertsNothing ? ' where false' : '';
  const copyStatement = `copy ${table} (${quoteColumns(columns)}) from stdin with (${input.options})${where}`;
  const first = [...before, ...enterRole(owner)];
  const copy = copyFrom([...first, copyStatement, ...onward, ...LEAVE_ROLE, ...after].join('; '));
  const progress = follow(copy, first.length);
  const rows = new CountedRows(input.data);
  client.query(copy);
  try {
    const data = amid('copy_rows', rows);
    await pipeline(Readable.from(data, { objectMode: false, highWaterMark: READ_AHEAD }), copy, { signal });
  } catch (error) {
    if (!progress.roleTaken) throw explainRefusedRole(error, owner, client);
    if (isTableChange(error)) throw tableChanged(error);
    const known = explainDenial(toImportError(error, input), owner);
    throw destination.refusesConflicts && isConflict(known) ? asBadRow(known) : known;
  }
  const given = injectCountFault('given', rows.count);
  const taken = injectCountFault('taken', copy.rowCount);
  if (onward.length === 0 || within)
    return reconcile(given, taken, destination.mayLeaveOut || insertsNothing === true);
  const { read } = reconcile(given, taken, false);
  const { inserted, deleted, merged } = progress;
  if (merged !== null) return { ...reconcile(taken, injectCountFault('merged', merged), true), read };
  const last = inserted.pop() ?? 0;
  for (const staged of inserted) reconcile(taken, staged, false);
  const moved = reconcile(taken - deleted, injectCountFault('merged', last), destination.mayLeaveOut);
  return { ...moved, read, skipped: moved.skipped + deleted };
}

/** Handlers of pg-copy-streams that pg calls, and that its types do not declare. */
interface WithHandlers extends CopyStreamQuery {
  connection: { stream: Socket };
  flushChunk(chunk: Uint8Array): boolean;
  handleCommandComplete(message: { text: string }, connection: unknown): void;
  handleCopyInResponse(connection: { stream: Socket }): void;
  handleRowDescription(): void;
  handleDataRow(): void;
}

interface Progress {
  /** Whether the statements before the COPY are done. */
  roleTaken: boolean;
  /** What each INSERT and a DELETE after the COPY report. */
  inserted: number[];
  deleted: number;
  /** What a MERGE after the COPY reports; null if there was none. */
  merged: number | null;
}

/** Notes what the statements around the COPY report, and sends a short input as one packet. */
function follow(copy: CopyStreamQuery, statementsBefore: number): Progress {
  const progress: Progress = { roleTaken: false, inserted: [], deleted: 0, merged: null };
  let done = 0;
  const followed = copy as WithHandlers;
  const { handleCommandComplete, handleCopyInResponse } = followed;
  followed.handleCommandComplete = (message, connection) => {
    progress.roleTaken = ++done >= statementsBefore;
    const [, command, count] = /^(INSERT 0|DELETE|MERGE) (\d+)$/.exec(message.text) ?? [];
    if (command === 'MERGE') progress.merged = Number(count);
    else if (command === 'DELETE') progress.deleted = Number(count);
    else if (command) progress.inserted.push(Number(count));
    handleCommandComplete.call(copy, message, connection);
  };
  // A statement before the COPY returns a row.
  followed.handleRowDescription = () => {};
  followed.handleDataRow = () => {};
  followed.flushChunk = (chunk) => sendCopyData(followed.connection.stream, chunk);
  followed.handleCopyInResponse = (connection) => {
    const { stream } = connection;
    stream.cork();
    setImmediate(() => stream.uncork());
    handleCopyInResponse.call(copy, connection);
  };
  return progress;
}

/** The byte that begins a message with data for COPY, and the bytes of its length, which counts itself. */
const COPY_DATA = 0x64;
const LENGTH_BYTES = 4;

/** Sends a message in one call of the system, and tells the owner of the chunk when it has been written. */
function sendCopyData(socket: Socket, chunk: Uint8Array): boolean {
  const head = Buffer.allocUnsafe(1 + LENGTH_BYTES);
  head[0] = COPY_DATA;
  head.writeUInt32BE(chunk.length + LENGTH_BYTES, 1);
  socket.cork();
  socket.write(head);
  const hasRoom = socket.write(chunk, (error) => {
    if (!error) written(chunk);
  });
  socket.uncork();
  return hasRoom;
}
