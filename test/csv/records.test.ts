import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ConnectorError } from '../../src/errors.ts';
import type { CsvDialect } from '../../src/formats/csv/dialect.ts';
import { limitRows, readHeader, rewriteRecords } from '../../src/formats/csv/records.ts';
import { modelCopy } from './model.ts';
import { check, chunkSizes, collect, dialectOf, difficultFiles, inChunks } from './random_csv.ts';

const MAX_ROW_BYTES = 1000;

async function* once(...chunks: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk as string);
}

/** The result's text, or the error's code. */
async function textOrCode(chunks: AsyncIterable<Buffer>): Promise<{ text?: string; code?: string }> {
  try {
    return { text: (await collect(chunks)).toString() };
  } catch (error) {
    const { code } = error as ConnectorError;
    if (code === undefined) throw error;
    return { code };
  }
}

/** Before PostgreSQL 18, `\.` does not end a file that is only checked; here it is one more reason to refuse. */
const hasMarkerLine = (text: string) => /(^|[\r\n])\\\.[\r\n]/.test(text);

describe('limitRows', () => {
  test('passes the bytes on unchanged, or refuses what COPY refuses', async () => {
    await check(400, fc.tuple(difficultFiles(4), chunkSizes), async ([{ text, dialect }, sizes]) => {
      const actual = await textOrCode(
        limitRows(inChunks(Buffer.from(text), sizes), dialect, { maxRowBytes: MAX_ROW_BYTES }),
      );
      const model = modelCopy(text, dialect);
      if (actual.code === 'end_of_data_marker') assert.ok(hasMarkerLine(text));
      else assert.deepEqual(actual, model.refused === null ? { text } : { code: model.refused });
    });
  });

  const limit = (maxRowBytes: number, ...chunks: (string | Buffer)[]) =>
    collect(limitRows(once(...chunks), dialectOf(), { maxRowBytes, lineOffset: 10 }));

  test('refuses a row over the limit with its line, before the row has ended', async () => {
    assert.equal((await limit(5, 'a,b\n12345\n', '1', '2345')).length, 15);
    await assert.rejects(limit(5, 'a,b\n"1\n2"\n123', '456\n'), {
      code: 'row_too_large',
      message: 'the row that starts at line 14 is longer than the 5 bytes allowed: 6 bytes up to here',
    });
    let read = 0;
    async function* endless() {
      for (;;) {
        read++;
        yield Buffer.alloc(64 * 1024, 'x');
      }
    }
    const rows = limitRows(endless(), dialectOf(), { maxRowBytes: 1024 * 1024 });
    await assert.rejects(collect(rows), { code: 'row_too_large' });
    assert.equal(read, 17);
  });

  test('refuses a NUL with its line and field, however the file is split into chunks', async () => {
    const text = 'a,b,c\r\n"x\r\n",y\r\n"p,q","r""',
      csv = Buffer.from(`${text}\0",z\r\n`);
    await check(50, chunkSizes, async (sizes) => {
      const rows = limitRows(inChunks(csv, sizes), dialectOf(), { maxRowBytes: 100, lineOffset: 1 });
      await assert.rejects(collect(rows), {
        code: 'nul_character',
        message: 'NUL character at line 5, field 2: text in PostgreSQL cannot hold it',
      });
    });
  });

  test('refuses a line that PostgreSQL reads as the end of the data', async () => {
    const expected = (line: number) => ({ code: 'end_of_data_marker', message: RegExp(`^line ${line} is`) });
    await assert.rejects(limit(99, 'a\n\\.\nb\n'), expected(12));
    await assert.rejects(limit(99, 'a\n\\', '.', '\nb\n'), expected(12));
    await assert.rejects(limit(99, '\\.\r', '\nb\r\n'), expected(11));
    for (const fine of ['"\\."\n', '"\n\\.\n"\n', '\\.,\n', 'a\\.\n', 'a\n\\.', '\\..\n', 'ab\n']) {
      for (let at = 0; at <= fine.length; at++) {
        assert.equal((await limit(99, fine.slice(0, at), fine.slice(at))).toString(), fine);
      }
    }
  });

  test('reads characters whose second byte looks like ASCII', async () => {
    const cases: [string, number[]][] = [
      ['SJIS', [0x83, 0x5c]],
      ['shift_jis', [0x95, 0x22]],
      ['GB18030', [0x81, 0x22]],
      ['BIG5', [0xa5, 0x0a]],
      ['UHC', [0x81, 0x22]],
    ];
    for (const [encoding, character] of cases) {
      const csv = Buffer.concat([Buffer.from('a,'), Buffer.from(character), Buffer.from('\nb,c\n')]);
      const options = { maxRowBytes: 5 };
      const rewrite = { ...options, keep: [1], append: null, expectedFields: 2 };
      for (const sizes of [[1], [3], [100]]) {
        const passed = await collect(limitRows(inChunks(csv, sizes), dialectOf({ encoding }), options));
        assert.deepEqual(passed, csv);
        const kept = await collect(rewriteRecords(inChunks(csv, sizes), dialectOf({ encoding }), rewrite));
        assert.deepEqual(kept, Buffer.concat([Buffer.from(character), Buffer.from('\nc\n')]));
      }
    }
  });
});

describe('rewriteRecords', () => {
  test('keeps the bytes of the selected fields, appends the constant, refuses what COPY refuses', async () => {
    const rewrites = difficultFiles(5).chain((file) =>
      fc.tuple(
        fc.constant(file),
        fc.option(fc.subarray([...Array(file.columns).keys()])),
        fc.boolean(),
        chunkSizes,
      ),
    );
    await check(400, rewrites, async ([{ text, dialect, columns }, keep, appends, sizes]) => {
      const append = keep?.length === 0 || appends ? Buffer.from('"c,"') : null;
      const options = { keep, append, expectedFields: columns, maxRowBytes: MAX_ROW_BYTES };
      const actual = await textOrCode(rewriteRecords(inChunks(Buffer.from(text), sizes), dialect, options));
      const all = [...Array(columns).keys()];
      assert.deepEqual(actual, modelRewrite(text, dialect, columns, keep ?? all, append));
    });
  });

  function modelRewrite(
    csv: string,
    dialect: CsvDialect,
    columns: number,
    keep: number[],
    append: Buffer | null,
  ): { text?: string; code?: string } {
    const { records, newline, refused } = modelCopy(csv, dialect);
    let text = '';
    for (const { raw } of records) {
      if (raw.length !== columns) return { code: 'ragged_row' };
      const fields = keep.map((position) => raw[position] as string);
      if (append) fields.push(append.toString());
      const record = fields.join(dialect.delimiter);
      const { quote } = dialect;
      text += (record === '\\.' ? quote + record + quote : record) + (newline ?? '\n');
    }
    return refused === null ? { text } : { code: refused };
  }

  const rewrite = (csv: string, keep: number[] | null, expectedFields: number, dialect = dialectOf()) =>
    collect(
      rewriteRecords(once(csv), dialect, {
        keep,
        append: null,
        expectedFields,
        maxRowBytes: 99,
        lineOffset: 1,
      }),
    ).then(String);

  test('names the line of a record with too few or too many fields', async () => {
    await assert.rejects(rewrite('"a\n",b\n1,2,3\n', [0], 2), {
      code: 'ragged_row',
      message: 'expected 2 fields, got 3, in the row that starts at line 4',
    });
    await assert.rejects(rewrite('a,b\n\n', [0], 2), {
      code: 'ragged_row',
      message: /2 fields, got 1, .* line 3$/,
    });
    assert.equal(await rewrite('\n"a"\n\n', null, 1), '\n"a"\n\n');
  });

  test('counts a newline after an escape that ends a chunk', async () => {
    const options = { keep: null, append: null, expectedFields: 1, maxRowBytes: 99 };
    const rows = rewriteRecords(once('"a\\', '\nb"\n1,2\n'), dialectOf({ escape: '\\' }), options);
    await assert.rejects(collect(rows), { code: 'ragged_row', message: /line 3$/ });
  });

  test('never writes a line that COPY reads as the end of the data', async () => {
    assert.equal(await rewrite('x,\\.\ny,z', [1], 2), '"\\."\nz\n');
    await assert.rejects(rewrite('x,\\.\n', [1], 2, dialectOf({ nullText: '\\.' })), {
      code: 'end_of_data_marker',
    });
  });

  test('writes large chunks, and keeps a record that is longer than a chunk', async () => {
    const long = 'y'.repeat(300_000);
    const csv = Buffer.from(`${'aa,bb\n'.repeat(100_000)}${long},bb\n`);
    const options = { keep: [0], append: Buffer.from('7'), expectedFields: 2, maxRowBytes: 1e6 };
    const blocks = await Array.fromAsync(
      rewriteRecords(inChunks(csv, [50_000, 1, 99]), dialectOf(), options),
    );
    assert.equal(Buffer.concat(blocks).toString(), `${'aa,7\n'.repeat(100_000)}${long},7\n`);
    assert.ok(blocks.length < 12);
  });
});

describe('readHeader', () => {
  test('splits the file into the header and the rest, as the model does', async () => {
    const marked = fc.tuple(difficultFiles(4, true), fc.constantFrom('', '\ufeff'), chunkSizes);
    await check(400, marked, async ([{ text: csv, dialect }, mark, sizes]) => {
      const model = modelCopy(csv, dialect);
      if (model.refused !== null) return;
      const header = await readHeader(inChunks(Buffer.from(mark + csv), sizes), dialect, MAX_ROW_BYTES);
      const [first, ...others] = model.records;
      const values = first?.raw.map((raw, at) => first.values[at] ?? raw) ?? null;
      assert.deepEqual(header.fields, values);
      const { lines: lineOffset, newline } = header;
      const options = { keep: null, append: null, maxRowBytes: MAX_ROW_BYTES, lineOffset, newline };
      const rest = await collect(header.rest);
      assert.equal(csv.endsWith(rest.toString()), true);
      assert.equal(Buffer.byteLength(csv) === rest.length, first === undefined);
      for (const { raw } of others) if (raw.length !== others[0]?.raw.length) return;
      const expectedFields = others[0]?.raw.length ?? 1;
      const rows = await collect(
        rewriteRecords(inChunks(rest, sizes), dialect, { ...options, expectedFields }),
      );
      const expected = others
        .map(({ raw }) => raw.join(dialect.delimiter))
        .map((row) => (row === '\\.' ? null : row));
      const end = model.newline ?? '\n';
      if (!expected.includes(null)) assert.equal(rows.toString(), expected.map((row) => row + end).join(''));
    });
  });

  test('counts the lines that the header took', async () => {
    for (const [csv, lines, newline] of [
      ['"a\nb",c\n1,2\n', 2, 'lf'],
      // COPY counts lines in this way.
      ['"a\nb",c\r\n1,2\r\n', 1, 'crlf'],
      ['"a\r\nb",c\r\n1,2\r\n', 2, 'crlf'],
      ['"a\rb",c\r1,2\r', 2, 'cr'],
      ['a\n', 1, 'lf'],
    ] as const) {
      for (let at = 0; at <= csv.length; at++) {
        const header = await readHeader(once(csv.slice(0, at), csv.slice(at)), dialectOf(), 99);
        assert.deepEqual([header.lines, header.newline], [lines, newline], JSON.stringify(csv));
        await collect(header.rest);
      }
    }
  });

  test('distinguishes an empty file from a file with an empty line', async () => {
    assert.equal((await readHeader(once(), dialectOf(), 99)).fields, null);
    assert.equal((await readHeader(once('\ufeff'), dialectOf({ header: true }), 99)).fields, null);
    assert.equal((await readHeader(once('\ufeff'), dialectOf(), 99)).fields, null);
    assert.deepEqual((await readHeader(once('\n'), dialectOf(), 99)).fields, ['']);
  });

  test('decodes the names and removes the byte order mark', async () => {
    const fields = async (bytes: string | Buffer, encoding: string) =>
      (await readHeader(once(bytes), dialectOf({ encoding, header: true }), 99)).fields;
    assert.deepEqual(await fields('\ufeff"näme",b\n', 'UTF8'), ['näme', 'b']);
    assert.deepEqual(await fields(Buffer.from('n\xe4me\n', 'latin1'), 'LATIN1'), ['näme']);
    assert.deepEqual(await fields(Buffer.from([0x83, 0x5c, 0x2c, 0x61]), 'SJIS'), ['ソ', 'a']);
    await assert.rejects(fields(Buffer.from('n\xe4me\n', 'latin1'), 'utf-8'), { code: 'invalid_encoding' });
    await assert.rejects(fields(Buffer.from('n\xe4me\n', 'latin1'), 'johab'), {
      code: 'unsupported_encoding',
    });
  });

  test('closes the source when it fails, and when the rest is not read', async () => {
    let closed = 0;
    async function* source() {
      try {
        yield Buffer.from('a,b\n1,');
        yield Buffer.from('2\n');
      } finally {
        closed++;
      }
    }
    await assert.rejects(readHeader(source(), dialectOf(), 2), { code: 'row_too_large' });
    assert.equal(closed, 1);
    const { rest } = await readHeader(source(), dialectOf(), 99);
    await rest[Symbol.asyncIterator]().return?.();
    assert.equal(closed, 2);
  });
});
