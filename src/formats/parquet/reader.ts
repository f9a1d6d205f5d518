/**
 * The reader process. It runs DuckDB apart from the worker: a file that crashes DuckDB, or takes all memory, then ends one
 * attempt and not the worker. It serves one request at a time and has no secrets.
 */
import { writeSync } from 'node:fs';
import {
  type DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDecimalType,
  DuckDBInstance,
  type DuckDBType,
} from '@duckdb/node-api';
import { saveCompiled } from '../../child_env.ts';
import type { Transform } from '../duckdb_file.ts';
import { quoteText } from '../duckdb_quote.ts';
import { ChunkEncoder } from './binary/encode.ts';
import { makeWriter } from './binary/writers.ts';
import { confine } from './confine.ts';
import { describeColumns, listRowGroups, whyUnreadable } from './describe.ts';
import { listLeaves } from './leaves.ts';
import { OUTPUT, type Outcome, type ReaderAnswer, type ReaderRequest, spillDirectory } from './protocol.ts';
import { readWithinExtent } from './read_log.ts';
import { BrokenStream, streamRows } from './row_stream.ts';
import { withOrder } from './sort.ts';
import { parseQuery, transformed } from './transform.ts';
import { refusal } from './transform_check.ts';

/** How many bytes are gathered before they are written. */
const CHUNK_BYTES = 1 << 18;
/** How much a sort may spill to the spool's disk. A file that needs more is imported unsorted. */
const MAX_SPILLED = '16GB';

type RequestOf<Type extends ReaderRequest['type']> = Extract<ReaderRequest, { type: Type }>;

const [spoolDir, memoryLimit, threads, confinement] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const shared = await openDuckDB(`set allowed_directories = [${quoteText(spoolDir)}]`);
/** The connection that serves the current request. */
let connection = shared.connection;
/** A DuckDB instance that may read a single file. */
let confined: (OpenedDuckDB & { path: string }) | undefined;
saveCompiled();
confine({
  ...JSON.parse(confinement),
  memory: memoryLimit,
  spillDirectory: spillDirectory(spoolDir, process.pid),
});

process.on('message', async (request: ReaderRequest) => {
  const output = new Output();
  const outcome = await connect(request)
    .then(() => serve(request, output))
    .catch(failed);
  answer({ ...outcome, written: output.written });
});
// The worker is gone.
process.on('disconnect', () => process.exit(0));

/** Connects to a DuckDB instance that reads only the files that the request may read. */
async function connect({ confinedTo: path }: ReaderRequest): Promise<void> {
  if (path !== confined?.path) {
    confined?.connection.closeSync();
    confined?.instance.closeSync();
    confined = undefined;
  }
  if (path !== undefined)
    confined ??= { path, ...(await openDuckDB(`set allowed_paths = [${quoteText(path)}]`)) };
  connection = (confined ?? shared).connection;
}

interface OpenedDuckDB {
  instance: DuckDBInstance;
  connection: DuckDBConnection;
}

/** @param allow the statement that sets which files may be read */
async function openDuckDB(allow: string): Promise<OpenedDuckDB> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads,
    memory_limit: memoryLimit,
    temp_directory: spillDirectory(spoolDir, process.pid),
    max_temp_directory_size: MAX_SPILLED,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    // A file that was read too early is read again. The cache would return what had not arrived then.
    enable_external_file_cache: 'false',
  });
  const opened = await instance.connect();
  // Times with a zone are written in UTC with the offset, so that no instant is lost.
  await opened.run("set timezone = 'UTC'");
  // No query can read other files after these statements.
  await opened.run(allow);
  await opened.run('set enable_external_access = false');
  await opened.run('set lock_configuration = true');
  return { instance, connection: opened };
}

function failed(error: Error): Outcome {
  if (!(error instanceof BrokenStream)) return { type: 'failed', message: error.message, rows: 0 };
  const { message, rows, explained } = error;
  return explained ? { type: 'failed', message, rows } : { type: 'rows_do_not_add_up', message };
}

async function serve(request: ReaderRequest, output: Output): Promise<Outcome> {
  if (request.type === 'describe') return await describe(request);
  if (request.type === 'look') return { type: 'looked', values: await look(request.query) };
  return await readAll(request, output);
}

async function look(query: string): Promise<(string | null)[]> {
  const found = await connection.runAndReadAll(query);
  return found.getRows()[0] as (string | null)[];
}

/** Writes the rows to `output`, and returns the outcome. */
async function readAll(request: RequestOf<'read' | 'read_binary'>, output: Output): Promise<Outcome> {
  const run = (orderBy: string) =>
    request.type === 'read' ? read(request, orderBy, output) : readBinary(request, orderBy, output);
  if (request.sorting) return await withOrder(connection, request.sorting, run);
  return request.extent
    ? await readWithinExtent(connection, request.extent, () => run('').catch(failed))
    : await run('');
}

async function describe({ path, transform }: RequestOf<'describe'>): Promise<Outcome> {
  if (transform?.isParquet === false) return await describeTransform(transform, []).catch(refused);
  const name = quoteText(path);
  const leaves = await listLeaves(connection, name);
  const columns = await describeColumns(connection, name, leaves);
  if (transform === null) {
    const rowGroups = await listRowGroups(connection, name, leaves);
    return { type: 'described', file: { columns, hidden: [], rowGroups } };
  }
  const hidden = columns.filter(({ unreadable }) => unreadable !== null).map((column) => column.duckdbName);
  return await describeTransform(transform, hidden).catch(refused);
}

async function describeTransform(transform: Transform, hidden: string[]): Promise<Outcome> {
  const [parsed] = await look(parseQuery(transform));
  const reason = refusal(parsed!);
  if (reason !== null) return { type: 'transform_refused', message: reason };
  const described = await connection.runAndReadAll(
    `describe select * from ${transformed(transform, hidden)}`,
  );
  // The last column is the row's number.
  const columns = described.getRows().slice(0, -1);
  return {
    type: 'described',
    file: {
      columns: columns.map(([name, type]) => ({
        name: String(name),
        duckdbName: String(name),
        duckdbType: String(type),
        nullable: true,
        untyped: false,
        written: null,
        unreadable: whyUnreadable(String(type)),
      })),
      hidden,
      rowGroups: [],
    },
  };
}

function refused(error: Error): Outcome {
  return { type: 'transform_refused', message: error.message };
}

async function read(
  { query, rows: expected, maxRowBytes, maxRows }: RequestOf<'read'>,
  orderBy: string,
  output: Output,
): Promise<Outcome> {
  const ordered = query + orderBy;
  const result = await connection.stream(ordered);
  let row = 0;
  for await (const { chunk, rows } of streamRows(connection, ordered, result, expected)) {
    if (maxRows !== null && row + rows > maxRows) return { type: 'too_many_rows', rows: row + rows };
    const lines = chunk.getColumnVector(0);
    for (let i = 0; i < rows; i++) {
      const line = (lines.getItem(i) as DuckDBBlobValue).bytes;
      row += 1;
      if (line.length > maxRowBytes) return { type: 'row_too_large', row, bytes: line.length };
      output.write(line);
    }
  }
  output.flush();
  return { type: 'done', rows: row };
}

async function readBinary(
  {
    plan: { query, kinds, scales, constants },
    rows: expected,
    maxRowBytes,
    maxRows,
  }: RequestOf<'read_binary'>,
  orderBy: string,
  output: Output,
): Promise<Outcome> {
  const ordered = query + orderBy;
  const result = await connection.stream(ordered);
  const writers = kinds.map((kind, i) => makeWriter(kind, scales[i]!, decimalWidth(result.columnType(i))));
  const encoder = new ChunkEncoder(writers, maxRowBytes, constants);
  let row = 0;
  for await (const { chunk, rows } of streamRows(connection, ordered, result, expected)) {
    if (maxRows !== null && row + rows > maxRows) return { type: 'too_many_rows', rows: row + rows };
    const encoded = encoder.encode(chunk.chunk, rows);
    if ('tooLarge' in encoded) {
      return { type: 'row_too_large', row: row + encoded.tooLarge.row + 1, bytes: encoded.tooLarge.bytes };
    }
    output.write(encoded.data);
    row += rows;
  }
  output.flush();
  return { type: 'done', rows: row };
}

/** Returns the bytes of a decimal in a DuckDB vector; meaningless for other types. */
function decimalWidth(type: DuckDBType): number {
  const digits = type instanceof DuckDBDecimalType ? type.width : 0;
  if (digits <= 4) return 2;
  if (digits <= 9) return 4;
  return digits <= 18 ? 8 : 16;
}

/** Gathers bytes and writes them to OUTPUT; blocks until there is room. */
class Output {
  written = 0;
  #buffer: Buffer | undefined;
  #filled = 0;

  write(bytes: Uint8Array): void {
    const large = bytes.length > CHUNK_BYTES / 4;
    if (large || this.#filled + bytes.length > CHUNK_BYTES) this.flush();
    // Gathering a large value would only copy it.
    if (large) this.#writeAll(bytes);
    else this.#gather(bytes);
  }

  flush(): void {
    if (this.#buffer) this.#writeAll(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #gather(bytes: Uint8Array): void {
    this.#buffer ??= Buffer.allocUnsafe(CHUNK_BYTES);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  #writeAll(bytes: Uint8Array): void {
    // Blocking is fine: this thread has nothing else to do, and a worker that wants no more kills the process.
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(OUTPUT, bytes, at);
    } catch {
      // Nobody reads any more. It is no error of the file.
      process.exit(1);
    }
    this.written += bytes.length;
  }
}

function answer(message: ReaderAnswer): void {
  process.send?.(message);
}
