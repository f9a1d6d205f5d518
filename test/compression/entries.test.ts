import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { Zip, ZipDeflate, ZipPassThrough, zipSync } from 'fflate';
import { openEntries } from '../../src/compression/entries.ts';
import { SpooledFile } from '../../src/fetch/spooled_file.ts';
import { writeZip } from './zip_writer.ts';

const NO_LIMIT = { maxExpandedBytes: 1e9 };
let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'compression-test-'));
});
after(() => rm(dir, { recursive: true }));

async function fileOf(bytes: Uint8Array | string): Promise<SpooledFile> {
  const path = join(dir, 'file');
  await writeFile(path, bytes);
  const sizeBytes = Buffer.byteLength(bytes);
  return new SpooledFile({ path, sizeBytes, available: sizeBytes });
}

/** Names and texts of all entries, which must be the same from the disk and from memory. */
async function read(bytes: Uint8Array | string, limits = NO_LIMIT): Promise<[string | null, string][]> {
  const entries = await readFile(await fileOf(bytes), limits);
  const inMemory = SpooledFile.inMemory(join(dir, 'in memory'), Buffer.from(bytes));
  assert.deepEqual(await readFile(inMemory, limits), entries);
  await inMemory.remove();
  assert.deepEqual(await readdir(dir), ['file']);
  return entries;
}

/** All entries are listed before the first is opened. */
async function readFile(file: SpooledFile, limits: typeof NO_LIMIT): Promise<[string | null, string][]> {
  const entries = await Array.fromAsync(openEntries(file, limits));
  return Promise.all(
    entries.map(async ({ name, open }): Promise<[string | null, string]> => {
      const text = Buffer.concat(await open().toArray()).toString();
      assert.equal(Buffer.concat(await open().toArray()).toString(), text);
      return [name, text];
    }),
  );
}

/** The test's files that this process has open. */
async function openFiles(): Promise<string[]> {
  const links = await readdir('/proc/self/fd');
  const targets = await Promise.all(links.map((link) => readlink(`/proc/self/fd/${link}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(dir));
}

describe('a plain file', () => {
  test('is any file without the signature of a compression', async () => {
    assert.deepEqual(await read('a,b\n'), [[null, 'a,b\n']]);
    assert.deepEqual(await read(''), [[null, '']]);
    assert.deepEqual(await read('PK'), [[null, 'PK']]);
  });
});

describe('a gzip file', () => {
  const one = gzipSync('a,b\n');
  const two = gzipSync('c,d\n');

  test('may have several members and zeros after them', async () => {
    assert.deepEqual(await read(one), [[null, 'a,b\n']]);
    assert.deepEqual(await read(Buffer.concat([one, two])), [[null, 'a,b\nc,d\n']]);
    assert.deepEqual(await read(Buffer.concat([one, Buffer.alloc(200_000)])), [[null, 'a,b\n']]);
    assert.deepEqual(await read(gzipSync('')), [[null, '']]);
  });

  test('that ends in the middle fails as truncated', async () => {
    const whole = Buffer.concat([one, two]);
    for (let length = 2; length < whole.length; length++) {
      if (length === one.length) continue;
      await assert.rejects(read(whole.subarray(0, length)), { code: 'truncated_gzip' }, `${length} bytes`);
    }
  });

  test('that is damaged or has other data after it fails as corrupt', async () => {
    const changed = Buffer.from(one);
    changed[changed.length - 8] = (changed[changed.length - 8] as number) ^ 1;
    const zeros = Buffer.alloc(10);
    for (const bytes of [
      changed,
      Buffer.concat([one, Buffer.from('more')]),
      Buffer.concat([one, zeros, Buffer.from('more')]),
      Buffer.concat([one, zeros, two]),
    ]) {
      await assert.rejects(read(bytes), { code: 'corrupt_gzip' });
    }
  });
});

describe('a zip file', () => {
  test('yields its entries in the order of the directory', async () => {
    const bytes = zipSync({
      'b.csv': Buffer.from('b\n'),
      folder: { 'a.csv': [Buffer.from('a\n'), { level: 0 }], '.DS_Store': Buffer.from('x') },
      __MACOSX: { '._b.csv': Buffer.from('x') },
      'empty.csv': new Uint8Array(0),
    });
    assert.deepEqual(await read(bytes), [
      ['b.csv', 'b\n'],
      ['folder/a.csv', 'a\n'],
      ['empty.csv', ''],
    ]);
    assert.deepEqual(await read(writeZip([{ name: 'folder/', data: '', method: 0 }])), []);
    assert.deepEqual(await read(zipSync({})), []);
  });

  test('may have sizes after the data, or in zip64 fields', async () => {
    const chunks: Uint8Array[] = [];
    const stream = new Zip((_, chunk) => chunks.push(chunk));
    for (const file of [new ZipDeflate('a.csv'), new ZipPassThrough('b.csv')]) {
      stream.add(file);
      file.push(Buffer.from('1,2\n'));
      file.push(Buffer.from('3,4\n'), true);
    }
    stream.end();
    assert.equal((chunks[0]?.[6] ?? 0) & 8, 8);
    const expected = [
      ['a.csv', '1,2\n3,4\n'],
      ['b.csv', '1,2\n3,4\n'],
    ];
    assert.deepEqual(await read(Buffer.concat(chunks)), expected);
    const members = expected.map(([name, data]) => ({
      name: name as string,
      data: data as string,
      zip64: true,
    }));
    assert.deepEqual(await read(writeZip(members)), expected);
  });

  test('yields entry names that are never used as paths', async () => {
    const names = ['../../etc/passwd', '/abs.csv', 'C:\\x.csv', 'ä.csv'];
    const bytes = writeZip(names.map((name) => ({ name, data: name, flags: 0x800 })));
    assert.deepEqual(
      (await read(bytes)).map(([name]) => name),
      ['../../etc/passwd', '/abs.csv', 'C:/x.csv', 'ä.csv'],
    );
  });

  test('that is encrypted or uses another method is refused as a whole', async () => {
    const good = { name: 'good.csv', data: 'a\n' };
    const listed = async (...members: Parameters<typeof writeZip>[0]) =>
      openEntries(await fileOf(writeZip(members)), NO_LIMIT).next();
    await assert.rejects(listed(good, { ...good, flags: 1 }), { code: 'encrypted_zip' });
    await assert.rejects(listed(good, { ...good, flags: 0x41 }), { code: 'encrypted_zip' });
    await assert.rejects(listed(good, { ...good, method: 12 }), {
      code: 'unsupported_zip',
      message: /12 \(bzip2\)/,
    });
    await assert.rejects(listed(good, { ...good, method: 77 }), {
      code: 'unsupported_zip',
      message: /77 \(unknown\)/,
    });
  });

  test('that is damaged anywhere is refused', async () => {
    const good = { name: 'good.csv', data: 'abcabcabc\n' };
    const whole = writeZip([good]);
    const secondHeader = writeZip([good]).indexOf('PK\x01\x02');
    const damaged: Record<string, Buffer> = {
      'another checksum': writeZip([{ ...good, crc: 1 }]),
      'too many bytes': writeZip([{ ...good, size: 9 }]),
      'too few bytes': writeZip([{ ...good, size: 11 }]),
      'too few stored bytes': writeZip([{ ...good, method: 0, size: 11 }]),
      'bytes after the end': Buffer.concat([whole, Buffer.from('more')]),
      'no directory': Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(100)]),
      'last byte cut off': whole.subarray(0, -1),
      'directory cut off': whole.subarray(0, 40),
      'packed bytes changed': withByte(whole, 40, 0xff),
      'header of a second entry changed': withByte(writeZip([good, good]), secondHeader, 0x51),
    };
    for (const [what, bytes] of Object.entries(damaged)) {
      await assert.rejects(read(bytes), { code: 'corrupt_zip' }, what);
    }
  });

  function withByte(bytes: Buffer, at: number, value: number): Buffer {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return copy;
  }
});

describe('a zstd file', () => {
  const one = zstdCompressSync('a,b\n');
  const two = zstdCompressSync('c,d\n', { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const skippable = Buffer.concat([Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);

  test('may have several frames, and skippable frames', async () => {
    const both = 'a,b\nc,d\n';
    assert.deepEqual(await read(one), [[null, 'a,b\n']]);
    assert.deepEqual(await read(Buffer.concat([one, two])), [[null, both]]);
    assert.deepEqual(await read(Buffer.concat([skippable, one, skippable, two, skippable])), [[null, both]]);
    assert.deepEqual(await read(zstdCompressSync('')), [[null, '']]);
    assert.deepEqual(await read(Buffer.concat([zstdCompressSync(''), one])), [[null, 'a,b\n']]);
    assert.deepEqual(await read(skippable), [[null, '']]);
  });

  test('may have blocks of every kind, and chunks that end anywhere', async () => {
    const repeated = 'a'.repeat(300_000);
    const random = randomBytes(300_000).toString('latin1');
    const text = Array.from({ length: 30_000 }, (_, i) => `${i},row ${i}\n`).join('');
    for (const level of [1, 19]) {
      const packed = [repeated, random, text].map((data) =>
        zstdCompressSync(data, { params: { [constants.ZSTD_c_compressionLevel]: level } }),
      );
      assert.deepEqual(await read(Buffer.concat(packed)), [[null, repeated + random + text]]);
    }
  });

  test('that ends in the middle fails as truncated', async () => {
    const whole = Buffer.concat([one, skippable, two]);
    for (let length = 4; length < whole.length; length++) {
      if (length === one.length || length === one.length + skippable.length) continue;
      await assert.rejects(read(whole.subarray(0, length)), { code: 'truncated_zstd' }, `${length} bytes`);
    }
  });

  test('that is damaged or has other data after it fails as corrupt', async () => {
    const changed = Buffer.from(two);
    changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1;
    for (const bytes of [
      changed,
      Buffer.concat([one, Buffer.from('more')]),
      Buffer.concat([one, Buffer.alloc(10)]),
      Buffer.concat([one, gzipSync('c,d\n')]),
    ]) {
      await assert.rejects(read(bytes), { code: 'corrupt_zstd' });
    }
  });

  test('that needs too much memory or a dictionary is refused', async () => {
    const window = (windowLog: number) =>
      zstdCompressSync(Buffer.alloc(300_000_000), {
        params: { [constants.ZSTD_c_windowLog]: windowLog, [constants.ZSTD_c_compressionLevel]: 1 },
      });
    const limits = { maxExpandedBytes: 1000 };
    await assert.rejects(read(window(27), limits), { code: 'expanded_too_large' });
    await assert.rejects(read(window(28), limits), { code: 'unsupported_zstd', message: /128 MiB/ });
    // Frame_Header_Descriptor with a dictionary's id of one byte, and no size.
    const withDictionary = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x00, 0x07, 0x01, 0x00, 0x00]);
    await assert.rejects(read(withDictionary), { code: 'unsupported_zstd', message: /dictionary/ });
  });
});

describe('a file that is not supported', () => {
  const starts: Record<string, string> = {
    bzip2: '425a683931415926535900000000',
    xz: 'fd377a585a000004e6d6b446',
    lz4: '04224d186470b90c00000080',
    snappy: 'ff060000734e61507059',
    lzip: '4c5a49500117000000',
    compress: '1f9d9061c400',
    '7-Zip': '377abcaf271c0004',
    RAR: '526172211a0701003392b5e5',
  };

  test('is recognized by its first bytes, and its format is named', async () => {
    for (const [name, hex] of Object.entries(starts)) {
      await assert.rejects(
        read(Buffer.from(hex, 'hex')),
        { code: 'unsupported_compression', message: RegExp(`with ${name};`) },
        name,
      );
    }
    assert.deepEqual(await read('BZh9,b\n'), [[null, 'BZh9,b\n']]);
  });

  test('is one that is compressed twice', async () => {
    const packed = gzipSync('a,b\n');
    const twice = { code: 'nested_compression', message: /again, with gzip/ };
    await assert.rejects(read(gzipSync(packed)), twice);
    await assert.rejects(read(zstdCompressSync(packed)), twice);
    await assert.rejects(read(writeZip([{ name: 'a.csv.gz', data: packed }])), {
      ...twice,
      message: /^entry "a.csv.gz" of the zip file/,
    });
    await assert.rejects(read(gzipSync(Buffer.from(starts.bzip2!, 'hex'))), { code: 'nested_compression' });
  });
});

describe('expansion limits', () => {
  const tooLarge = {
    code: 'expanded_too_large',
    message: /^expected at most 1000 bytes when expanded, got at least \d+$/,
  };
  const limits = { maxExpandedBytes: 1000 };

  test('hold over the whole file', async () => {
    const half = { name: 'a', data: 'x'.repeat(501) };
    await assert.rejects(read('x'.repeat(1001), limits), tooLarge);
    await assert.rejects(read(gzipSync('x'.repeat(1001)), limits), tooLarge);
    await assert.rejects(read(zstdCompressSync('x'.repeat(1001)), limits), tooLarge);
    await assert.rejects(read(Buffer.concat([gzipSync(half.data), gzipSync(half.data)]), limits), tooLarge);
    await assert.rejects(read(writeZip([half, half]), limits), tooLarge);
    const most = 'x'.repeat(1000);
    for (const bytes of [most, gzipSync(most), zstdCompressSync(most), writeZip([half])]) {
      assert.equal((await read(bytes, limits)).length, 1);
    }
  });

  test('stop an archive bomb early, also one with a false size', async () => {
    const data = Buffer.alloc(50_000_000);
    await assert.rejects(read(writeZip([{ name: 'bomb', data, size: 10 }]), limits), { code: 'corrupt_zip' });
    for (const bomb of [gzipSync(data), zstdCompressSync(data)]) {
      const allowed = { maxExpandedBytes: 1_000_000 };
      const [entry] = await Array.fromAsync(openEntries(await fileOf(bomb), allowed));
      let size = 0;
      const expanded = async () => {
        for await (const chunk of entry!.open()) size += chunk.length;
      };
      await assert.rejects(expanded(), { code: 'expanded_too_large' });
      assert.ok(size <= allowed.maxExpandedBytes, `${size} bytes came out`);
    }
  });
});

test('a stream that is closed before its end leaves no file open', {
  skip: process.platform !== 'linux',
}, async () => {
  const data = Buffer.alloc(3_000_000, 'abcdefghij\n');
  for (const bytes of [
    data,
    gzipSync(data, { level: 0 }),
    zstdCompressSync(data),
    writeZip([{ name: 'a', data }]),
    writeZip([{ name: 'a', data, method: 0 }]),
  ]) {
    for await (const entry of openEntries(await fileOf(bytes), NO_LIMIT)) {
      entry.open().destroy();
      entry.open();
      const started = entry.open();
      for await (const chunk of started) {
        assert.ok(chunk.length > 0);
        break;
      }
      const waiting = entry.open();
      waiting.read(0);
      waiting.destroy();
    }
    // A read that was running may still open the file before it learns that nobody waits for it.
    let open = await openFiles();
    for (let wait = 0, closed = 0; wait < 6000 && closed < 10; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      open = await openFiles();
      closed = open.length === 0 ? closed + 1 : 0;
    }
    assert.deepEqual(open, []);
  }
});
