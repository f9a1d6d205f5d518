/**
 * Changes values in a Parquet file's footer: its bytes are read as Thrift's compact
 * protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) and written again.
 */
export type Thrift = bigint | boolean | number | Buffer | ThriftList | ThriftStruct;
export interface ThriftList {
  type: number;
  items: Thrift[];
}
/** Fields by their number, each with its type's. */
export type ThriftStruct = Map<number, { type: number; value: Thrift }>;

/** As in parquet.thrift. */
export const FILE = { rows: 3, groups: 4 } as const;
export const GROUP = { columns: 1, bytes: 2, rows: 3 } as const;
export const COLUMN = { metadata: 3 } as const;
export const CHUNK = { values: 5, compressedBytes: 7, dataOffset: 9, dictionaryOffset: 11 } as const;

const END_BYTES = 8;
const [DATA_PAGE, PLAIN, RLE] = [0, 0, 3];
const [TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, , STRUCT] = Array.from(
  { length: 12 },
  (_, i) => i + 1,
) as [number, number, number, number, number, number, number, number, number, number, number, number];

/** Returns the file with its footer changed; pages stay where they are. */
export function withFooter(file: Buffer, change: (footer: ThriftStruct) => void): Buffer {
  const end = file.length - END_BYTES;
  const start = end - file.readUInt32LE(end);
  const footer = new Reading(file.subarray(start, end)).struct();
  change(footer);
  const bytes = writeStruct(footer);
  const tail = Buffer.from('....PAR1');
  tail.writeUInt32LE(bytes.length);
  return Buffer.concat([file.subarray(0, start), bytes, tail]);
}

export function listAt(struct: ThriftStruct, field: number): ThriftStruct[] {
  return (struct.get(field)!.value as ThriftList).items as ThriftStruct[];
}

/** The metadata of the column chunks of a row group. */
export function chunksOf(group: ThriftStruct): ThriftStruct[] {
  return listAt(group, GROUP.columns).map((column) => column.get(COLUMN.metadata)!.value as ThriftStruct);
}

/** Sets a number of 64 bits, from its old value. */
export function change64(struct: ThriftStruct, field: number, change: (value: bigint) => bigint): void {
  const value = (struct.get(field)?.value ?? 0n) as bigint;
  struct.set(field, { type: I64, value: BigInt.asIntN(64, change(value)) });
}

/** The header of a page with plain values that are not compressed. */
export function pageHeader(values: number, bytes: number): Buffer {
  const i32 = (value: number) => ({ type: I32, value: BigInt(value) });
  const data = new Map([values, PLAIN, RLE, RLE].map((value, i) => [i + 1, i32(value)]));
  return writeStruct(
    new Map<number, { type: number; value: Thrift }>([
      [1, i32(DATA_PAGE)],
      [2, i32(bytes)],
      [3, i32(bytes)],
      [5, { type: STRUCT, value: data }],
    ]),
  );
}

class Reading {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  struct(): ThriftStruct {
    const fields: ThriftStruct = new Map();
    for (let id = 0; ; ) {
      const head = this.#byte();
      if (head === 0) return fields;
      id = head >> 4 === 0 ? Number(this.#signed()) : id + (head >> 4);
      const type = head & 0x0f;
      fields.set(id, { type, value: type <= FALSE ? type === TRUE : this.#value(type) });
    }
  }

  #value(type: number): Thrift {
    switch (type) {
      case TRUE:
      case FALSE:
      case BYTE:
        return this.#byte();
      case I16:
      case I32:
      case I64:
        return this.#signed();
      case DOUBLE:
        return this.#take(8);
      case BINARY:
        return this.#take(Number(this.#varint()));
      case LIST:
      case SET:
        return this.#list();
      case STRUCT:
        return this.struct();
      default:
        throw new Error(`expected a type of Thrift's, got ${type} at byte ${this.#at}`);
    }
  }

  #list(): ThriftList {
    const head = this.#byte();
    const count = head >> 4 === 15 ? Number(this.#varint()) : head >> 4;
    const type = head & 0x0f;
    return { type, items: Array.from({ length: count }, () => this.#value(type)) };
  }

  #take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #byte(): number {
    return this.#bytes[this.#at++]!;
  }

  #signed(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}

function writeStruct(fields: ThriftStruct): Buffer {
  const parts: Buffer[] = [];
  let last = 0;
  for (const [id, { type, value }] of [...fields].sort(([a], [b]) => a - b)) {
    const delta = id - last;
    if (delta <= 15) parts.push(Buffer.from([(delta << 4) | type]));
    else parts.push(Buffer.from([type]), signed(BigInt(id)));
    if (type > FALSE) parts.push(writeValue(type, value));
    last = id;
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function writeValue(type: number, value: Thrift): Buffer {
  if (type === BINARY) return Buffer.concat([varint(BigInt((value as Buffer).length)), value as Buffer]);
  if (type === DOUBLE) return value as Buffer;
  if (type === STRUCT) return writeStruct(value as ThriftStruct);
  if (type === LIST || type === SET) return writeList(value as ThriftList);
  return type <= BYTE ? Buffer.from([value as number]) : signed(value as bigint);
}

function writeList({ type, items }: ThriftList): Buffer {
  const head =
    items.length < 15
      ? Buffer.from([(items.length << 4) | type])
      : Buffer.concat([Buffer.from([0xf0 | type]), varint(BigInt(items.length))]);
  return Buffer.concat([head, ...items.map((item) => writeValue(type, item))]);
}

const signed = (value: bigint): Buffer => varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** Renames the one column of a file. */
export function renameColumn(footer: ThriftStruct, name: string): void {
  const value = Buffer.from(name, 'latin1');
  schemaOf(footer)[1]!.set(4, { type: BINARY, value });
  setPath(footer, [value]);
}

/** Nests the one column of a file in groups. */
export function deepSchema(footer: ThriftStruct, levels: number): void {
  const name = Buffer.from('g');
  const group = (): ThriftStruct =>
    new Map<number, { type: number; value: Thrift }>([
      [3, { type: I32, value: 0n }],
      [4, { type: BINARY, value: name }],
      [5, { type: I32, value: 1n }],
    ]);
  const elements = schemaOf(footer);
  const column = elements[1]!;
  elements.splice(1, 1);
  for (let i = 0; i < levels; i++) elements.push(group());
  elements.push(column);
  const own = column.get(4)!.value as Buffer;
  setPath(footer, [...Array.from({ length: levels }, () => name), own]);
}

const schemaOf = (footer: ThriftStruct): ThriftStruct[] => listAt(footer, 2);

function setPath(footer: ThriftStruct, path: Buffer[]): void {
  for (const group of listAt(footer, FILE.groups))
    for (const chunk of chunksOf(group)) chunk.set(3, { type: LIST, value: { type: BINARY, items: path } });
}
