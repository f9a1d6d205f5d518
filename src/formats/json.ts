/**
 * The JSON format. Each entry of an archive is a part, and each object in it is a row. A scanner of our own cuts out the values: what
 * lands is what PostgreSQL's json_populate_record makes of the record.
 */
import { abortable } from '../abortable.ts';
import { type Entry, type Limits, openEntries } from '../compression/entries.ts';
import { limitsOf } from '../compression/limits.ts';
import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import type {
  CopyInput,
  CopyPlan,
  FileFormat,
  FilePart,
  FormatSettings,
  FormatTools,
  InferredColumn,
  RowBatch,
} from './format.ts';
import { readBatches } from './json/batches.ts';
import { toCopyInputs } from './json/copies.ts';
import { inferColumns, type Keys, type RecordSource, readKeys, refuseWithoutRecord } from './json/infer.ts';
import { otherKind } from './json/other_kinds.ts';
import { parsePath } from './json/path.ts';
import type { JsonPlan } from './json/plan.ts';
import { planRows } from './json/plan_rows.ts';
import { readSections, type Section } from './json/sections.ts';
import { toTransform } from './json/transformed.ts';
import { checkRowLimit } from './row_limit.ts';
import { takenEntries } from './taken_entries.ts';
import { transformedPart } from './transformed.ts';
import { requireTransforms } from './transforms.ts';

/** How much of a part is read for its first keys, in bytes. */
const HEAD_BYTES = 256 * 1024;
/** How much of it tells what kind of file it is. */
const START_BYTES = 512;

/** Files of which all keys must be known before they are copied: one of them came late. */
const readWhole = new WeakSet<SpooledFile>();

export const json: FileFormat = {
  tailBytes: 0,
  async *parts(spooled, settings, tools, signal) {
    const { transform } = settings;
    requireTransforms(settings, tools);
    const limits = limitsOf(settings);
    let position = -1;
    for await (const entry of takenEntries(openEntries(spooled, limits), settings.format.zip_entries)) {
      position += 1;
      if (entry === null) continue;
      const large = (entry.sizeBytes ?? spooled.sizeBytes) >= tools.config.encodeCsvFromBytes;
      const encoders = large ? tools.encoders : null;
      const from = { spooled, limits, entry, position, encoders, signal };
      const part = new JsonPart(from, settings);
      if (!(await part.readFirst())) continue;
      if (transform === null) yield part;
      else {
        await spooled.whole();
        yield* transformedPart(
          { ...part.toTransform(), spooled, select: transform },
          settings,
          tools,
          signal,
        );
      }
    }
  },
};

/** What a part is read from. */
interface PartSource {
  spooled: SpooledFile;
  limits: Limits;
  entry: Entry;
  /** The entry's position in the file, from 0. */
  position: number;
  /** Null for an entry that is too small to be worth encoding. */
  encoders: FormatTools['encoders'] | null;
  signal: AbortSignal;
}

class JsonPart implements FilePart {
  readonly name: string | null;
  readonly namesKeys = true;
  readonly #from: PartSource;
  readonly #settings: FormatSettings;
  readonly #path: string[] | null;
  #keys: Keys = { names: [], records: 0, sharesLines: false, isComplete: true };

  constructor(from: PartSource, settings: FormatSettings) {
    this.name = from.entry.name;
    this.#from = from;
    this.#settings = settings;
    const { json_records: path } = settings.format;
    this.#path = path === null ? null : (parsePath(path) as string[]);
  }

  get unit(): 'line' | 'row' {
    return this.#keys.sharesLines ? 'row' : 'line';
  }

  get columnNames(): string[] {
    return this.#keys.names;
  }

  get columnCount(): number {
    return this.#keys.names.length;
  }

  /** Reads the keys of the first records; returns false if there are none. */
  async readFirst(): Promise<boolean> {
    const most = readWhole.has(this.#from.spooled) || needsAllKeys(this.#settings) ? Infinity : HEAD_BYTES;
    const first = watched(this.#open());
    const source = { ...this.#source(), chunks: first.chunks };
    this.#keys = await readKeys(source, this.#settings.format.json_paths, most).catch((error) => {
      throw otherKind(first.start) ?? error;
    });
    const other = otherKind(first.start);
    if (other) throw other;
    return this.#keys.records > 0;
  }

  #open(): AsyncIterable<Buffer> {
    return abortable(this.#from.signal, this.#from.entry.open());
  }

  #source(): RecordSource {
    const { max_row_bytes: maxRowBytes } = this.#settings;
    return { chunks: this.#open(), path: this.#path, maxRowBytes, unit: this.unit };
  }

  async refuseImplausible(): Promise<void> {
    await refuseWithoutRecord(this.#source());
  }

  /** Returns what a transform reads. */
  toTransform(): ReturnType<typeof toTransform> {
    return toTransform(this.#from.entry, this.#source(), this.columnNames, this.#settings);
  }

  async inferColumns(maxBytes = Infinity): Promise<InferredColumn[] | null> {
    const { format, sequence_column: sequence } = this.#settings;
    const { json_paths: paths } = format;
    const others = sequence === null ? [] : [sequence];
    const columns = await inferColumns(this.#source(), paths, maxBytes, others);
    if (maxBytes === Infinity && !paths.includes('$'))
      this.#keys = { ...this.#keys, names: columns.map(({ name }) => name), isComplete: true };
    return columns;
  }

  async *copyInputs(plan: CopyPlan): AsyncGenerator<CopyInput> {
    const rows = this.#plan(plan);
    yield* this.#noteLateKeys(toCopyInputs(this.#limit(this.#sections(rows)), rows));
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    let rows = 0;
    for await (const batch of this.#noteLateKeys(readBatches(this.#open(), this.#plan(plan)))) {
      rows += batch.rowsRead;
      checkRowLimit(rows, this.#settings.max_rows);
      yield batch;
    }
  }

  /** Returns the part's sections. A thread reads large parts. */
  async *#sections(plan: JsonPlan): AsyncGenerator<Section, undefined> {
    const { spooled, limits, position, encoders, signal } = this.#from;
    if (encoders === null) return yield* readSections(this.#open(), plan);
    const encoder = await encoders.acquire(signal);
    try {
      const request = { limits, entry: position, work: { format: 'json' as const, plan } };
      yield* encoder.read<Section>(spooled, request);
    } finally {
      encoders.release(encoder);
    }
  }

  async *#limit(sections: AsyncGenerator<Section>): AsyncGenerator<Section, undefined> {
    let rows = 0;
    for await (const section of sections) {
      rows += section.rows;
      checkRowLimit(rows, this.#settings.max_rows);
      yield section;
    }
  }

  /** If a key came too late, the next try reads all keys first. */
  async *#noteLateKeys<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item, undefined> {
    try {
      yield* items;
    } catch (error) {
      if (error instanceof ConnectorError && error.code === 'read_too_early')
        readWhole.add(this.#from.spooled);
      throw error;
    }
  }

  #plan(plan: CopyPlan): JsonPlan {
    const { time_zone: timeZone, max_row_bytes: maxRowBytes } = this.#settings;
    return planRows(plan, {
      timeZone,
      maxRowBytes,
      path: this.#path,
      unit: this.unit,
      encodes: this.#from.encoders !== null,
      grows: this.#settings.on_unknown_column === 'add' && !this.#keys.isComplete,
    });
  }
}

/** Whether keys are asked for that no row may have: by an expression over the row, by a transform, or to refuse a file that lacks some. */
function needsAllKeys({ format, on_missing_column, transform }: FormatSettings): boolean {
  return transform !== null || format.reads_row || on_missing_column === 'fail';
}

/** Bytes of the start of a part. */
interface Watched {
  start: Buffer;
  chunks: AsyncIterable<Buffer>;
}

/** Keeps the first bytes of what is read. */
function watched(chunks: AsyncIterable<Buffer>): Watched {
  const read = async function* () {
    for await (const chunk of chunks) {
      if (watch.start.length < START_BYTES)
        watch.start = Buffer.concat([watch.start, chunk.subarray(0, START_BYTES)]);
      yield chunk;
    }
  };
  const watch: Watched = { start: Buffer.alloc(0), chunks: read() };
  return watch;
}
