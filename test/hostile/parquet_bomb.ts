/** Makes "bombs": small Parquet files of one column `v` that hold one text many times. */
import { gzipSync } from 'node:zlib';
import { i32, i64, list, struct, text, uint32, writeStruct } from '../support/parquet_writer.ts';

const MAGIC = Buffer.from('PAR1');
const BYTE_ARRAY = i32(6);
const GZIP = i32(2);

/** Returns a file of `rows` rows, all the same text of `bytes` bytes: a dictionary of one entry, and one run of its number. */
export function parquetBomb(rows: number, bytes: number): Buffer {
  const entry = Buffer.concat([uint32(bytes), Buffer.alloc(bytes, 'x')]);
  const run = Buffer.concat([Buffer.from([1]), varint(rows * 2), Buffer.from([0])]);
  const dictionary = page(2, entry, { 7: struct({ 1: i32(1), 2: i32(0) }) });
  const data = page(0, run, { 5: struct({ 1: i32(rows), 2: i32(8), 3: i32(3), 4: i32(3) }) });
  const size = dictionary.length + data.length;
  const chunk = struct({
    1: BYTE_ARRAY,
    2: list([i32(8)]),
    3: list([text('v')]),
    4: GZIP,
    5: i64(rows),
    6: i64(entry.length + run.length),
    7: i64(size),
    9: i64(MAGIC.length + dictionary.length),
    11: i64(MAGIC.length),
  });
  const group = struct({
    1: list([struct({ 2: i64(MAGIC.length), 3: chunk })]),
    2: i64(size),
    3: i64(rows),
  });
  const schema = [
    struct({ 4: text('schema'), 5: i32(1) }),
    struct({ 1: BYTE_ARRAY, 3: i32(0), 4: text('v'), 6: i32(0) }),
  ];
  const footer = writeStruct({ 1: i32(2), 2: list(schema), 3: i64(rows), 4: list([group]) });
  return Buffer.concat([MAGIC, dictionary, data, footer, uint32(footer.length), MAGIC]);
}

function page(type: number, content: Buffer, header: Parameters<typeof writeStruct>[0]): Buffer {
  const packed = gzipSync(content, { level: 9 });
  const sizes = { 1: i32(type), 2: i32(content.length), 3: i32(packed.length) };
  return Buffer.concat([writeStruct({ ...sizes, ...header }), packed]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
