import { crc32, deflateRawSync } from 'node:zlib';

/** A member of a zip file; a test may declare false values. */
export interface ZipMember {
  name: string;
  data: string | Buffer;
  /** 0 stored, 8 deflated (default); others are declared only. */
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  /** Sizes and offset in the zip64 field of the directory, as for a member over 4 GiB. */
  zip64?: boolean;
  /** Unix permissions with the file type. */
  mode?: number;
  /** The offset that the directory declares, if it is not the true one. */
  offset?: number;
}

const END_SIZE = 22;

/** Bytes of numbers in little-endian order: `[value, width in bytes]`. */
function numbers(...items: [number, number][]): Buffer {
  const bytes = Buffer.alloc(items.reduce((sum, [, width]) => sum + width, 0));
  let at = 0;
  for (const [value, width] of items) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}

/** Creates a zip file after APPNOTE.TXT; with a zip64 end of directory if any member is zip64. */
export function writeZip(members: ZipMember[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const { name, method = 8, flags = 0, zip64 = false, mode = 0 } = member;
    const data = Buffer.from(member.data as string);
    const packed = method === 8 ? deflateRawSync(data) : data;
    const { crc = crc32(data), size = data.length } = member;
    const head = numbers([20, 2], [flags, 2], [method, 2], [0, 2], [0x21, 2], [crc, 4]);
    const named = Buffer.from(name);
    const local = numbers([packed.length, 4], [size, 4], [named.length, 2], [0, 2]);
    const entry = Buffer.concat([numbers([0x04034b50, 4]), head, local, named, packed]);
    const big = 0xffffffff;
    const start = member.offset ?? offset;
    const extra = zip64
      ? numbers([1, 2], [24, 2], [size, 8], [packed.length, 8], [start, 8])
      : Buffer.alloc(0);
    directory.push(
      numbers([0x02014b50, 4], [mode > 0 ? 0x032d : 45, 2]),
      head,
      numbers(
        [zip64 ? big : packed.length, 4],
        [zip64 ? big : size, 4],
        [named.length, 2],
        [extra.length, 2],
      ),
      numbers([0, 2], [0, 2], [0, 2], [mode * 2 ** 16, 4], [zip64 ? big : start, 4]),
      named,
      extra,
    );
    parts.push(entry);
    offset += entry.length;
  }
  const list = Buffer.concat(directory);
  const count = members.length;
  const end = numbers([0x06054b50, 4], [0, 4], [count, 2], [count, 2], [list.length, 4], [offset, 4], [0, 2]);
  if (!members.some(({ zip64 }) => zip64)) return Buffer.concat([...parts, list, end]);
  const end64 = numbers(
    [0x06064b50, 4],
    [44, 8],
    [45, 2],
    [45, 2],
    [0, 8],
    [count, 8],
    [count, 8],
    [list.length, 8],
  );
  const locator = numbers([0x07064b50, 4], [0, 4], [offset + list.length, 8], [1, 4]);
  const end32 = Buffer.concat([
    numbers([0x06054b50, 4], [0, 4]),
    Buffer.alloc(END_SIZE - 10, 0xff),
    Buffer.alloc(2),
  ]);
  return Buffer.concat([...parts, list, end64, numbers([offset, 8]), locator, end32]);
}
