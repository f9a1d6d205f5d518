/**
 * The reader process: runs DuckDB apart from the worker, so that a file that brings DuckDB down, or makes it take
 * all the memory, ends one attempt and not the worker. It serves one request at a time and has no secrets.
 */
import {
  type DuckDBBlobValue,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBDecimalType,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBType,
} from '@duckdb/node-api';
import { BINARY_HEADER, BINARY_TRAILER } from '../binary_copy.ts';
import { ChunkEncoder } from './binary/encode.ts';
import { makeWriter } from './binary/writers.ts';
import { type ReaderAnswer, type ReaderColumn, type ReaderRequest, spillDirectory } from './protocol.ts';
import { quoteText } from './quote.ts';
import { withOrder } from './sort.ts';

/** Bytes that are gathered before they are sent on. */
const CHUNK_BYTES = 1 << 18;
/** Chunks of DuckDB, of 2,048 rows each, after which their memory is freed. */
const CHUNKS_TO_FREE = 32;
/** What a sort may put on the spool's disk; beyond, the file goes unsorted. */
const MAX_SPILLED = '16GB';
/** Chunks under way to the worker at once. */
const WINDOW = 4;

type RequestOf<Type extends ReaderRequest['type']> = Extract<ReaderRequest, { type: Type }>;

const [spoolDir, memoryLimit, threads] = process.argv.slice(2) as [string, string, string];
const connection = await openDuckDB();
let credit = 0;
let creditGiven: () => void = () => {};

process.on('message', (request: ReaderRequest) => {
  if (request.type === 'more') {
    credit += 1;
    creditGiven();
  } else {
    serve(request).catch((error: Error) => answer({ type: 'failed', message: error.message }));
  }
});
// The worker is gone: so is the reason to be.
process.on('disconnect', () => process.exit(0));

async function openDuckDB(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads,
    memory_limit: memoryLimit,
    temp_directory: spillDirectory(spoolDir, process.pid),
    max_temp_directory_size: MAX_SPILLED,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const opened = await instance.connect();
  // Times with a zone are written in UTC, with the offset: no instant is lost.
  await opened.run("set timezone = 'UTC'");
  // Files below the spool directory and nothing else, whatever a query says.
  await opened.run(`set allowed_directories = [${quoteText(spoolDir)}]`);
  await opened.run('set enable_external_access = false');
  await opened.run('set lock_configuration = true');
  return opened;
}

async function serve(request: Exclude<ReaderRequest, { type: 'more' }>): Promise<void> {
  if (request.type === 'describe') answer({ type: 'described', columns: await describe(request.path) });
  else if (request.type === 'look') answer({ type: 'looked', values: await look(request.query) });
  else answer(await readAll(request));
}

async function look(query: string): Promise<(string | null)[]> {
  const found = await connection.runAndReadAll(query);
  return found.getRows()[0] as (string | null)[];
}

/** Sends what it reads, and returns what is to be said when there is no more. */
async function readAll(request: RequestOf<'read' | 'read_binary'>): Promise<ReaderAnswer> {
  const run = (orderBy: string) =>
    request.type === 'read' ? read(request, orderBy) : readBinary(request, orderBy);
  return await (request.sorting ? withOrder(connection, request.sorting, run) : run(''));
}

async function describe(path: string): Promise<ReaderColumn[]> {
  const file = quoteText(path);
  const described = await connection.runAndReadAll(`describe select * from read_parquet(${file})`);
  const nulls = await connection.runAndReadAll(
    `select path_in_schema, coalesce(bool_or(coalesce(stats_null_count, 1) > 0), false) from parquet_metadata(${file}) group by 1`,
  );
  const nullable = new Map(nulls.getRows().map(([name, has]) => [String(name), Boolean(has)]));
  const digits = await decimalDigits(file);
  return described.getRows().map(([name, type], position) => ({
    name: String(name),
    duckdbType: String(type),
    nullable: nullable.get(String(name)) ?? true,
    unreadable:
      (digits[position] ?? 0) > DECIMAL_DIGITS
        ? `it holds decimals of ${digits[position]} digits, of which ${DECIMAL_DIGITS} can be read`
        : null,
  }));
}

/** The most that DuckDB's decimals have; of longer ones it makes doubles. */
const DECIMAL_DIGITS = 38;

/** By column: the digits of the longest decimal in it. */
async function decimalDigits(file: string): Promise<number[]> {
  const schema = await connection.runAndReadAll(
    `select coalesce(num_children, 0), coalesce(precision, 0) from parquet_schema(${file})`,
  );
  // From the root down, each followed by its children.
  const elements = schema.getRows().map((row) => row.map(Number) as [children: number, digits: number]);
  let at = 1;
  const take = (): number => {
    const [children, digits] = elements[at++]!;
    return Math.max(digits, ...Array.from({ length: children }, take));
  };
  return Array.from({ length: elements[0]?.[0] ?? 0 }, take);
}

async function read({ query, maxRowBytes }: RequestOf<'read'>, orderBy: string): Promise<ReaderAnswer> {
  const output = new Output();
  const result = await connection.stream(query + orderBy);
  let row = 0;
  for await (const chunk of chunksOf(result)) {
    const lines = chunk.getColumnVector(0);
    for (let i = 0; i < chunk.rowCount; i++) {
      const line = (lines.getItem(i) as DuckDBBlobValue).bytes;
      row += 1;
      if (line.length > maxRowBytes) return { type: 'row_too_large', row, bytes: line.length };
      await output.write(line);
    }
  }
  await output.flush();
  return { type: 'done' };
}

async function readBinary(
  { plan: { query, kinds, scales }, maxRowBytes }: RequestOf<'read_binary'>,
  orderBy: string,
): Promise<ReaderAnswer> {
  const output = new Output();
  const result = await connection.stream(query + orderBy);
  const writers = kinds.map((kind, i) => makeWriter(kind, scales[i]!, decimalWidth(result.columnType(i))));
  const encoder = new ChunkEncoder(writers, maxRowBytes);
  let row = 0;
  await output.write(BINARY_HEADER);
  for await (const chunk of chunksOf(result)) {
    const encoded = encoder.encode(chunk.chunk, chunk.rowCount);
    if ('tooLarge' in encoded) {
      return { type: 'row_too_large', row: row + encoded.tooLarge.row + 1, bytes: encoded.tooLarge.bytes };
    }
    await output.write(encoded.data);
    row += chunk.rowCount;
  }
  await output.write(BINARY_TRAILER);
  await output.flush();
  return { type: 'done' };
}

async function* chunksOf(result: DuckDBResult): AsyncGenerator<DuckDBDataChunk> {
  for (let count = 1; ; count++) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk;
    // A chunk's memory is freed with its object, which is so small that its collection would wait for 100 MB of others.
    if (count % CHUNKS_TO_FREE === 0) globalThis.gc?.({ type: 'minor' });
  }
}

/** Bytes of a decimal in a vector, by its digits; of no meaning for other types. */
function decimalWidth(type: DuckDBType): number {
  const digits = type instanceof DuckDBDecimalType ? type.width : 0;
  if (digits <= 4) return 2;
  if (digits <= 9) return 4;
  return digits <= 18 ? 8 : 16;
}

/** Gathers bytes into chunks, and sends one on when the worker has room for it. */
class Output {
  #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #filled = 0;

  constructor() {
    credit = WINDOW;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#filled + bytes.length > this.#buffer.length) {
      await this.flush();
      // Sending has copied the bytes, so that the buffer can be filled again; but for a larger one.
      if (bytes.length > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(bytes.length);
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await sendChunk(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

async function sendChunk(data: Uint8Array): Promise<void> {
  while (credit === 0) {
    await new Promise<void>((resolve) => {
      creditGiven = resolve;
    });
  }
  credit -= 1;
  answer({ type: 'chunk', data });
}

function answer(message: ReaderAnswer): void {
  process.send?.(message);
}
