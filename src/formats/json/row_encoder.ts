/** Turns records into rows of COPY's text format, or of its binary format. */
import { ConnectorError } from '../../errors.ts';
import type { Shape } from '../../table/table.ts';
import { fillLine } from '../line_field.ts';
import { putterOf } from '../pg_binary/kinds.ts';
import { type PutValue, putInt32, UNSURE, VALUE_ROOM } from '../pg_binary/values.ts';
import { BUFFER_BYTES, takeBuffer } from '../spare_buffers.ts';
import type { JsonColumn, JsonPlan } from './plan.ts';
import { ABSENT, ESCAPED, NULL, type RecordReader, STRING } from './record.ts';
import { ShapeError, shapedText } from './shapes.ts';
import { toJsonString, unescapeInto } from './unescape.ts';

/** How many bytes of rows make a section. The rest of a buffer is room for a row of usual size. */
export const FULL_BYTES = BUFFER_BYTES - 64 * 1024;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const BIG_N = 0x4e;

export class RowEncoder {
  /** Bytes of rows that were not taken yet. */
  filled = 0;
  readonly #plan: JsonPlan;
  readonly #putters: PutValue[];
  readonly #columns: number;
  #out = takeBuffer();
  /** The text of the current value: a range of the record, or of `#scratch`. */
  #text: Uint8Array = new Uint8Array(0);
  #from = 0;
  #until = 0;
  #scratch: Buffer = Buffer.alloc(4096);

  constructor(plan: JsonPlan) {
    this.#plan = plan;
    this.#putters = plan.binary?.kinds.map(putterOf) ?? [];
    this.#columns = plan.columns.length + (plan.binary?.constants.count ?? 0);
  }

  /** Returns the rows since the last call. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#out.subarray(0, this.filled);
    this.#out = takeBuffer();
    this.filled = 0;
    return taken;
  }

  /**
   * Adds the record as a row of the binary format; returns false, and adds nothing, if PostgreSQL must parse a value.
   * @param place its line, or its number
   */
  addBinary(reader: RecordReader, place: number): boolean {
    const { columns, hasLine, binary } = this.#plan;
    const putters = this.#putters;
    let to = this.filled;
    this.#room(to, 2);
    this.#out[to++] = this.#columns >> 8;
    this.#out[to++] = this.#columns;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as JsonColumn;
      if (!this.#find(reader, column)) {
        this.#room(to, 4);
        to = putInt32(-1, this.#out, to);
        continue;
      }
      this.#room(to, this.#until - this.#from);
      const put = putters[i] as PutValue;
      const end = put(this.#text, this.#from, this.#until, this.#out, to + 4);
      if (end === UNSURE) return false;
      putInt32(end - to - 4, this.#out, to);
      to = end;
    }
    const constants = binary!.constants.bytes;
    this.#room(to, constants.length);
    this.#out.set(constants, to);
    if (hasLine) fillLine(this.#out, to, place);
    this.filled = to + constants.length;
    return true;
  }

  /**
   * Adds the record as a row of the text format.
   * @param place its line, or its number
   * @throws ConnectorError `bad_value`, with line and column: an array or a composite that PostgreSQL would refuse. Adds nothing.
   */
  addText(reader: RecordReader, place: number): void {
    const { columns, constantText, hasLine } = this.#plan;
    let to = this.filled;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as JsonColumn;
      if (i > 0) this.#out[to++] = TAB;
      if (this.#findOrRefuse(reader, column, place)) {
        // Each byte may need a backslash.
        this.#room(to, 2 * (this.#until - this.#from));
        to = this.#putText(to);
      } else {
        this.#room(to, 2);
        this.#out[to++] = BACKSLASH;
        this.#out[to++] = BIG_N;
      }
    }
    if (hasLine) {
      this.#room(to, VALUE_ROOM);
      if (columns.length > 0) this.#out[to++] = TAB;
      for (const digit of String(place)) this.#out[to++] = digit.charCodeAt(0);
    }
    // The first column needs no tab before it.
    const isFirst = columns.length === 0 && !hasLine;
    const constants = isFirst ? constantText.subarray(1) : constantText;
    this.#room(to, constants.length + 1);
    this.#out.set(constants, to);
    to += constants.length;
    this.#out[to++] = LF;
    this.filled = to;
  }

  #putText(start: number): number {
    const text = this.#text;
    const out = this.#out;
    let to = start;
    for (let at = this.#from; at < this.#until; at++) {
      const byte = text[at] as number;
      if (byte > CR && byte !== BACKSLASH) out[to++] = byte;
      else {
        const letter = letterOf(byte);
        if (letter !== 0) out[to++] = BACKSLASH;
        out[to++] = letter || byte;
      }
    }
    return to;
  }

  #findOrRefuse(reader: RecordReader, column: JsonColumn, line: number): boolean {
    try {
      return this.#find(reader, column);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw new ConnectorError(
        'bad_value',
        `${this.#plan.unit} ${line}, column ${column.name}: ${error.message}`,
        {
          line,
          column: column.name,
          cause: error,
        },
      );
    }
  }

  /** Finds the text of a column's value; returns false for NULL. */
  #find(reader: RecordReader, { field, shape, takesAny }: JsonColumn): boolean {
    const kind = reader.kinds[field] as number;
    if (kind === ABSENT || kind === NULL) return false;
    const start = reader.starts[field] as number;
    const end = reader.ends[field] as number;
    if (kind === ESCAPED) {
      if (this.#scratch.length < end - start) this.#scratch = Buffer.alloc(2 * (end - start));
      const length = unescapeInto(this.#scratch, reader.bytes, start, end);
      return shape === 'json'
        ? this.#setBytes(toJsonString(this.#scratch.subarray(0, length)))
        : this.#set(this.#scratch, 0, length);
    }
    // A string goes to the input function of any type but these, which take it with its quotes.
    if (kind === STRING)
      return shape === 'json'
        ? this.#set(reader.bytes, start - 1, end + 1)
        : this.#set(reader.bytes, start, end);
    if (shape === null || shape === 'json') return this.#set(reader.bytes, start, end);
    const json = Buffer.from(reader.bytes.buffer, reader.bytes.byteOffset + start, end - start);
    const shaped = takesAny ? shapedOrNull(json, shape) : shapedText(json, shape)!;
    return shaped === null ? this.#set(reader.bytes, start, end) : this.#setBytes(Buffer.from(shaped));
  }

  #setBytes(bytes: Uint8Array): true {
    return this.#set(bytes, 0, bytes.length);
  }

  #set(text: Uint8Array, from: number, until: number): true {
    // The check is cheaper than V8's write barrier for the assignment.
    if (this.#text !== text) this.#text = text;
    this.#from = from;
    this.#until = until;
    return true;
  }

  #room(to: number, bytes: number): void {
    if (to + bytes + VALUE_ROOM <= this.#out.length) return;
    const larger = allocate((this.#out.length + bytes) * 2);
    larger.set(this.#out);
    this.#out = larger;
  }
}

function shapedOrNull(json: Buffer, shape: Shape): string | null {
  try {
    return shapedText(json, shape);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return null;
  }
}

/** Returns what follows the backslash of an escape; 0: the byte needs none. */
function letterOf(byte: number): number {
  switch (byte) {
    case BACKSLASH:
      return BACKSLASH;
    case LF:
      return 0x6e;
    case CR:
      return 0x72;
    case TAB:
      return 0x74;
    default:
      return 0;
  }
}

/** Returns an uninitialized buffer outside of Node's shared pool, so that it can be transferred to another thread. */
function allocate(size: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(size);
}
