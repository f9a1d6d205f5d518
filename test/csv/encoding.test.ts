import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyEncoding, dialectBytes } from '../../src/formats/csv/dialect.ts';
import { leadBytes, toScannable } from '../../src/formats/csv/encoding.ts';
import { check, chunkSizes, collect, dialectOf, inChunks } from './random_csv.ts';

const TEXT = 'näme,日本,😀\r\n"1\n",\u0a0a,\u2c22\n';

function utf16(text: string, bigEndian: boolean): Buffer {
  const bytes = Buffer.from(text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
}

test('UTF-16 is converted to UTF-8, with or without a byte order mark', async () => {
  await check(50, chunkSizes, async (sizes) => {
    for (const [encoding, bytes] of [
      ['utf-16', utf16(`\ufeff${TEXT}`, false)],
      ['UTF16', utf16(`\ufeff${TEXT}`, true)],
      ['utf-16', utf16(TEXT, false)],
      ['utf-16le', utf16(`\ufeff${TEXT}`, false)],
      ['UTF-16LE', utf16(TEXT, false)],
      ['utf-16be', utf16(`\ufeff${TEXT}`, true)],
      ['utf-16be', utf16(TEXT, true)],
    ] as const) {
      assert.equal((await collect(toScannable(inChunks(bytes, sizes), encoding))).toString(), TEXT);
    }
    assert.equal((await collect(toScannable(inChunks(Buffer.alloc(0), sizes), 'utf-16'))).length, 0);
  });
});

test('broken UTF-16 is refused', async () => {
  const good = utf16(TEXT, false);
  for (const bytes of [
    good.subarray(0, -1),
    Buffer.from([0x41]),
    Buffer.concat([good, Buffer.from([0x00, 0xd8])]),
  ]) {
    for (const encoding of ['utf-16', 'utf-16le']) {
      const chunks = toScannable(inChunks(bytes, [1, 3, 2]), encoding);
      await assert.rejects(collect(chunks), { code: 'invalid_encoding' });
    }
  }
});

test('the bytes of every other encoding pass unchanged', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const encoding of ['utf-8', 'latin1', 'SJIS', 'nonsense']) {
    assert.deepEqual(await collect(toScannable(inChunks(bytes, [1, 3, 2]), encoding)), bytes);
  }
});

test('COPY gets the encoding of the bytes that it receives', () => {
  const names = ['utf-8', 'UTF8', 'unicode', 'utf-16', 'utf-16be', 'latin1', 'windows-1252'];
  assert.deepEqual(
    names.map((encoding) => copyEncoding(dialectOf({ encoding }))),
    ['UTF8', 'UTF8', 'UTF8', 'UTF8', 'UTF8', 'latin1', 'windows-1252'],
  );
});

test('only the encodings that need it have lead bytes', () => {
  for (const name of ['utf8', 'latin1', 'euc_jp', 'EUC_KR', 'koi8r', 'win1252'])
    assert.deepEqual(leadBytes(name), []);
  for (const name of ['Shift_JIS', 'sjis', 'win-932']) {
    const leads = leadBytes(name);
    assert.ok(leads.includes(0x83) && leads.includes(0xe0) && !leads.includes(0xb1) && !leads.includes(0x7f));
  }
  for (const name of ['BIG5', 'gbk', 'GB18030', 'johab', 'UHC']) assert.equal(leadBytes(name).length, 128);
});

test('a dialect that COPY cannot read is refused', () => {
  for (const wrong of [
    { delimiter: '' },
    { delimiter: ';;' },
    { delimiter: '§' },
    { delimiter: '\n' },
    { quote: ',' },
    { quote: '\\' },
    { escape: '\r' },
  ]) {
    assert.throws(() => dialectBytes(dialectOf(wrong)), { code: 'invalid_dialect' }, JSON.stringify(wrong));
  }
});
