/**
 * Writes Parquet files with one required column in plain encoding: for types that DuckDB reads and does not write. After
 * https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, in Thrift's compact protocol.
 */
export interface ParquetColumn {
  /** As in parquet.thrift: the physical type. */
  type: (typeof PHYSICAL)[number];
  typeLength?: number;
  /** The number of the converted type there. */
  convertedType?: number;
  scale?: number;
  precision?: number;
  logicalType?: Struct;
  /** The encoded values of a page; a BYTE_ARRAY's length is put before each. */
  values: Buffer[];
  /** Key and value metadata of the file. */
  metadata?: Record<string, string>;
}

const PHYSICAL = [
  'BOOLEAN',
  'INT32',
  'INT64',
  'INT96',
  'FLOAT',
  'DOUBLE',
  'BYTE_ARRAY',
  'FIXED_LEN_BYTE_ARRAY',
] as const;

const PLAIN = 0;
const RLE = 3;
const MAGIC = Buffer.from('PAR1');

/** The bytes of a file with the column `v`. */
export function writeParquet(column: ParquetColumn): Buffer {
  const { type, values } = column;
  const data = Buffer.concat(
    values.flatMap((value) => (type === 'BYTE_ARRAY' ? [uint32(value.length), value] : [value])),
  );
  const count = values.length;
  const header = writeStruct({
    1: i32(0),
    2: i32(data.length),
    3: i32(data.length),
    5: struct({ 1: i32(count), 2: i32(PLAIN), 3: i32(RLE), 4: i32(RLE) }),
  });
  const page = Buffer.concat([header, data]);
  const physical = i32(PHYSICAL.indexOf(type));
  const chunk = struct({
    1: physical,
    2: list([i32(PLAIN)]),
    3: list([text('v')]),
    4: i32(0),
    5: i64(count),
    6: i64(page.length),
    7: i64(page.length),
    9: i64(MAGIC.length),
  });
  const group = struct({
    1: list([struct({ 2: i64(MAGIC.length), 3: chunk })]),
    2: i64(page.length),
    3: i64(count),
  });
  const footer = writeStruct({
    1: i32(2),
    2: list([struct({ 4: text('schema'), 5: i32(1) }), elementOf(column, physical)]),
    3: i64(count),
    4: list([group]),
    5: metadataOf(column),
  });
  return Buffer.concat([MAGIC, page, footer, uint32(footer.length), MAGIC]);
}

function metadataOf({ metadata = {} }: ParquetColumn): Field | undefined {
  const pairs = Object.entries(metadata).map(([key, value]) => struct({ 1: text(key), 2: text(value) }));
  return pairs.length > 0 ? list(pairs) : undefined;
}

function elementOf(
  { typeLength, convertedType, scale, precision, logicalType }: ParquetColumn,
  physical: Field,
) {
  const number = (value: number | undefined) => (value === undefined ? undefined : i32(value));
  return struct({
    1: physical,
    2: number(typeLength),
    3: i32(0),
    4: text('v'),
    6: number(convertedType),
    7: number(scale),
    8: number(precision),
    10: logicalType && struct(logicalType),
  });
}

/** A value in Thrift: the number of its type, and its bytes. */
export interface Field {
  type: number;
  bytes: Buffer;
}

/** Fields by their number. */
export type Struct = Record<number, Field | undefined>;

export const i32 = (value: number): Field => ({ type: 5, bytes: varint(zigzag(BigInt(value))) });
export const i64 = (value: number): Field => ({ type: 6, bytes: varint(zigzag(BigInt(value))) });
export const bool = (value: boolean): Field => ({ type: value ? 1 : 2, bytes: Buffer.alloc(0) });
export const struct = (fields: Struct): Field => ({ type: 12, bytes: writeStruct(fields) });

export function text(value: string): Field {
  return { type: 8, bytes: Buffer.concat([varint(BigInt(Buffer.byteLength(value))), Buffer.from(value)]) };
}

export function list(items: Field[]): Field {
  return {
    type: 9,
    bytes: Buffer.concat([
      Buffer.from([(items.length << 4) | items[0]!.type]),
      ...items.map(({ bytes }) => bytes),
    ]),
  };
}

export function writeStruct(fields: Struct): Buffer {
  const parts: Buffer[] = [];
  let last = 0;
  for (const [id, field] of Object.entries(fields)) {
    if (field === undefined) continue;
    parts.push(Buffer.from([((Number(id) - last) << 4) | field.type]), field.bytes);
    last = Number(id);
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

const zigzag = (value: bigint): bigint => (value << 1n) ^ (value >> 63n);

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
