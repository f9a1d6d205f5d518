import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { SpooledFile } from '../../src/fetch/spooled_file.ts';
import { csv } from '../../src/formats/csv.ts';
import type { EncoderThread } from '../../src/formats/encoder/encoder_thread.ts';
import type { FormatSettings } from '../../src/formats/format.ts';
import { Pool } from '../../src/formats/pool.ts';
import { writeZip } from '../compression/zip_writer.ts';
import { PLAIN_CSV } from '../support/plain_csv.ts';
import { openWorld } from '../support/world.ts';

// Malicious archives: each is refused as a whole, or imported as its directory says, and writes no file.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const CSV = 'n\n1\n2\n';
const entry = (name: string) => ({ name, data: CSV });

/** As described by D. Fifield: every entry is the same bytes, so the archive is small and its content is large. */
function overlapping(entries: number): Buffer {
  const data = `n\n${'1\n'.repeat(500_000)}`;
  return writeZip(Array.from({ length: entries }, (_, i) => ({ name: `${i % 10}.csv`, data, offset: 0 })));
}

/** A directory with only empty entries. */
function manyEntries(count: number): Buffer {
  const header = Buffer.alloc(46 + 7);
  header.writeUInt32LE(0x02014b50);
  header.writeUInt16LE(7, 28);
  const directory = Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      header.write(String(i).padStart(7, '0'), 46, 'latin1');
      return Buffer.from(header);
    }),
  );
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50);
  const at = local.length + directory.length;
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50);
  end64.writeBigUInt64LE(44n, 4);
  for (const place of [24, 32]) end64.writeBigUInt64LE(BigInt(count), place);
  end64.writeBigUInt64LE(BigInt(directory.length), 40);
  end64.writeBigUInt64LE(BigInt(local.length), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeBigUInt64LE(BigInt(at), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22, 0xff);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt32LE(0, 4);
  end.writeUInt16LE(0, 20);
  return Buffer.concat([local, directory, end64, locator, end]);
}

/** The expected result of each: rows, or the code and words of its refusal. */
const ARCHIVES: Record<string, [body: Buffer, becomes: number | [code: string, says: RegExp]]> = {
  'names that are paths': [
    writeZip(
      [
        '/etc/passwd',
        '../../escaped.csv',
        '..\\..\\windows.csv',
        'C:\\escaped.csv',
        '\n',
        "'; drop table archived; --",
      ].map(entry),
    ),
    12,
  ],
  'one name twice': [
    writeZip([entry('a.csv'), entry('b.csv'), entry('a.csv')]),
    ['corrupt_zip', /two entries "a.csv"/],
  ],
  'a symbolic link': [
    writeZip([entry('a.csv'), { name: 'link.csv', data: '/etc/passwd', method: 0, mode: 0o120777 }]),
    ['unsupported_zip', /"link.csv" .* symbolic link/],
  ],
  'entries that share bytes': [overlapping(3), ['corrupt_zip', /share bytes/]],
  'a million entries': [manyEntries(1_000_000), ['unsupported_zip', /1000000 entries; at most 10000/]],
  'a zip in a zip': [
    Buffer.from(zipSync({ 'a.csv': writeZip([entry('a.csv')]) })),
    ['nested_compression', /"a.csv"/],
  ],
  'a gzip in a zip': [Buffer.from(zipSync({ 'a.csv': gzipSync(CSV) })), ['nested_compression', /"a.csv"/]],
  'a zip in a gzip': [gzipSync(writeZip([entry('a.csv')])), ['nested_compression', /zip/]],
  'a gzip bomb in a zstd bomb': [
    zstdCompressSync(gzipSync(Buffer.alloc(100_000_000))),
    ['nested_compression', /gzip/],
  ],
  'a directory that says less than comes out': [
    writeZip([{ name: 'a.csv', data: `n\n${'1\n'.repeat(1_000_000)}`, size: 10 }]),
    ['corrupt_zip', /expected 10 bytes .* got more/],
  ],
};

test('malicious archives are refused as a whole, or imported as their directory says, and write no file', async () => {
  await db.query('create table archived (n bigint)');
  const cases = Object.entries(ARCHIVES);
  for (const [i, [, [body]]] of cases.entries()) world.put(`archives/${String(i).padStart(2, '0')}`, body);
  await world.insertConnector({ name: 'archives', pattern: 'archives/*', target_table: 'archived' });
  const files = await world.settled('archives');
  let rows = 0;
  for (const [i, [name, [, becomes]]] of cases.entries()) {
    const file = files[i]!;
    const said = `${name}: ${file.error_message}`;
    if (typeof becomes === 'number') {
      assert.deepEqual([file.status, file.rows_imported], ['success', becomes], said);
      rows += becomes;
    } else {
      assert.deepEqual([file.status, file.error_code], ['failure', becomes[0]], said);
      assert.match(file.error_message!, becomes[1], name);
    }
  }
  assert.deepEqual(await db.one('select count(*)::int as rows from archived'), { rows });
  await world.spoolEmptied();
});

test('a small entry of a large archive is not given to a thread, which would read the whole directory for it', async () => {
  const small = Array.from({ length: 50 }, (_, i) => ({ name: `${i}.csv`, data: CSV, method: 0 }));
  const large = { name: 'large.csv', data: `n\n${'1\n'.repeat(100_000)}`, method: 0 };
  const path = join(world.spoolDir, 'large.zip');
  const body = writeZip([...small, large]);
  await writeFile(path, body);
  const file = new SpooledFile({ path, sizeBytes: body.length, available: body.length });
  const encoders = new Pool<EncoderThread>(() => {
    throw new Error('a thread was asked for');
  }, 1);
  const tools = { config: { encodeCsvFromBytes: 100_000, allowTransform: false }, encoders };
  const target = { name: 'n', baseType: 'bigint', type: 'bigint' };
  const plan = {
    columns: [{ position: 0, target }],
    width: 1,
    line: null,
    constants: [],
    computed: [],
    splittable: true,
  };
  const asked: string[] = [];
  for await (const part of csv.parts(file, SETTINGS, tools as never, AbortSignal.timeout(60_000))) {
    try {
      for await (const { data } of part.copyInputs(plan as never)) for await (const _ of data);
    } catch (error) {
      asked.push(`${part.name}: ${(error as Error).message}`);
    }
  }
  assert.deepEqual(asked, ['large.csv: a thread was asked for']);
  await rm(path);
});

const SETTINGS: FormatSettings = {
  format: PLAIN_CSV,
  match_columns_by: 'name',
  on_unknown_column: 'fail',
  on_missing_column: 'default',
  time_zone: 'UTC',
  columnstore: false,
  transform: null,
  sequence_column: null,
  max_file_bytes: 2 ** 30,
  max_row_bytes: 2 ** 21,
  max_rows: null,
};
