/**
 * The reader process: runs DuckDB apart from the worker, so that a file that brings DuckDB down, or makes it take
 * all the memory, ends one attempt and not the worker. It serves one request at a time and has no secrets.
 */
import { writeFileSync, writeSync } from 'node:fs';
import {
  type DuckDBBlobValue,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBDecimalType,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBType,
} from '@duckdb/node-api';
import { ChunkEncoder } from './binary/encode.ts';
import { makeWriter } from './binary/writers.ts';
import {
  type FileDescription,
  OUTPUT,
  type Outcome,
  type ReaderAnswer,
  type ReaderColumn,
  type ReaderRequest,
  type RowGroup,
  spillDirectory,
} from './protocol.ts';
import { quoteText } from './quote.ts';
import { withOrder } from './sort.ts';
import { readWithin } from './watch.ts';

/** Bytes that are gathered before they are written. */
const CHUNK_BYTES = 1 << 18;
/** Chunks of DuckDB, of 2,048 rows each, after which their memory is freed. */
const CHUNKS_TO_FREE = 32;
/** What a sort may put on the spool's disk; beyond, the file goes unsorted. */
const MAX_SPILLED = '16GB';

type RequestOf<Type extends ReaderRequest['type']> = Extract<ReaderRequest, { type: Type }>;

const [spoolDir, memoryLimit, threads] = process.argv.slice(2) as [string, string, string];
const connection = await openDuckDB();
if (process.platform === 'linux') goFirst();

process.on('message', async (request: ReaderRequest) => {
  const output = new Output();
  const outcome = await serve(request, output).catch(failed);
  answer({ ...outcome, written: output.written });
});
// The worker is gone: so is the reason to be.
process.on('disconnect', () => process.exit(0));

/** Where the machine runs out of memory, this process is to be ended, and neither the worker nor PostgreSQL. */
function goFirst(): void {
  writeFileSync('/proc/self/oom_score_adj', '1000');
}

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

function failed(error: Error): Outcome {
  return { type: 'failed', message: error.message };
}

async function serve(request: ReaderRequest, output: Output): Promise<Outcome> {
  if (request.type === 'describe') return { type: 'described', file: await describe(request.path) };
  if (request.type === 'look') return { type: 'looked', values: await look(request.query) };
  return await readAll(request, output);
}

async function look(query: string): Promise<(string | null)[]> {
  const found = await connection.runAndReadAll(query);
  return found.getRows()[0] as (string | null)[];
}

/** Writes what it reads, and returns what is to be said when there is no more. */
async function readAll(request: RequestOf<'read' | 'read_binary'>, output: Output): Promise<Outcome> {
  const run = (orderBy: string) =>
    request.type === 'read' ? read(request, orderBy, output) : readBinary(request, orderBy, output);
  if (request.sorting) return await withOrder(connection, request.sorting, run);
  return request.extent
    ? await readWithin(connection, request.extent, () => run('').catch(failed))
    : await run('');
}

async function describe(path: string): Promise<FileDescription> {
  const file = quoteText(path);
  return { columns: await describeColumns(file), rowGroups: await listRowGroups(file) };
}

async function describeColumns(file: string): Promise<ReaderColumn[]> {
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
    unreadable: whyUnreadable(String(type), digits[position] ?? 0),
  }));
}

/** @throws Error where the footer contradicts itself: DuckDB would take bytes for rows that are none */
async function listRowGroups(file: string): Promise<RowGroup[]> {
  const dictionary = 'coalesce(nullif(dictionary_page_offset, 0), data_page_offset)';
  const groups = await connection.runAndReadAll(
    `select row_group_id, any_value(row_group_num_rows), min(num_values), min(least(data_page_offset, ${dictionary})),
        max(greatest(data_page_offset, ${dictionary}, least(data_page_offset, ${dictionary}) + total_compressed_size))
      from parquet_metadata(${file}) group by row_group_id order by row_group_id`,
  );
  const counted = await connection.runAndReadAll(
    `select num_row_groups, num_rows from parquet_file_metadata(${file})`,
  );
  const [groupCount, rowCount] = counted.getRows()[0]!.map(Number) as [number, number];
  const listed = groups.getRows().map((group, i): RowGroup => {
    const [id, rows, values, start, end] = group.map(Number) as [number, number, number, number, number];
    if (id !== i) throw new Error(`row group ${i + 1} has no columns`);
    if (rows < 0 || values < rows) {
      throw new Error(`row group ${i + 1} has ${rows} rows, and a column of it ${values} values`);
    }
    return { rows, start, end };
  });
  if (listed.length !== groupCount) throw new Error(`row group ${listed.length + 1} has no columns`);
  const rowsOfGroups = listed.reduce((sum, { rows }) => sum + rows, 0);
  if (rowsOfGroups !== rowCount) {
    throw new Error(`the file has ${rowCount} rows, and its row groups have ${rowsOfGroups}`);
  }
  return listed;
}

function whyUnreadable(type: string, digits: number): string | null {
  if (digits > DECIMAL_DIGITS)
    return `it holds decimals of ${digits} digits, of which ${DECIMAL_DIGITS} can be read`;
  return TOO_DEEP.test(type) ? `it holds lists more than ${LISTS_IN_LISTS} deep` : null;
}

/** What DuckDB takes to make JSON of lists in lists doubles with each: at 18 it is a third of a second, at 40 a year. */
const LISTS_IN_LISTS = 16;
const TOO_DEEP = new RegExp(`(\\[\\d*\\]){${LISTS_IN_LISTS + 1}}`);
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

async function read(
  { query, maxRowBytes }: RequestOf<'read'>,
  orderBy: string,
  output: Output,
): Promise<Outcome> {
  const result = await connection.stream(query + orderBy);
  let row = 0;
  for await (const chunk of chunksOf(result)) {
    const lines = chunk.getColumnVector(0);
    for (let i = 0; i < chunk.rowCount; i++) {
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
  { plan: { query, kinds, scales }, maxRowBytes }: RequestOf<'read_binary'>,
  orderBy: string,
  output: Output,
): Promise<Outcome> {
  const result = await connection.stream(query + orderBy);
  const writers = kinds.map((kind, i) => makeWriter(kind, scales[i]!, decimalWidth(result.columnType(i))));
  const encoder = new ChunkEncoder(writers, maxRowBytes);
  let row = 0;
  for await (const chunk of chunksOf(result)) {
    const encoded = encoder.encode(chunk.chunk, chunk.rowCount);
    if ('tooLarge' in encoded) {
      return { type: 'row_too_large', row: row + encoded.tooLarge.row + 1, bytes: encoded.tooLarge.bytes };
    }
    output.write(encoded.data);
    row += chunk.rowCount;
  }
  output.flush();
  return { type: 'done', rows: row };
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

/** Gathers bytes and writes them to OUTPUT, waiting until there is room. */
class Output {
  written = 0;
  #buffer: Buffer | undefined;
  #filled = 0;

  write(bytes: Uint8Array): void {
    const large = bytes.length > CHUNK_BYTES / 4;
    if (large || this.#filled + bytes.length > CHUNK_BYTES) this.flush();
    // To gather it as well would only copy it.
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
    // Nobody waits for this thread meanwhile: the worker that wants no more kills the process.
    for (let at = 0; at < bytes.length; ) at += writeSync(OUTPUT, bytes, at);
    this.written += bytes.length;
  }
}

function answer(message: ReaderAnswer): void {
  process.send?.(message);
}
