import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openWorld } from '../support/world.ts';

// CSV files of 3 GB without a valid row. They arrive as a few MB of gzip. Each must fail at its
// first bytes, or the test would take minutes.

const world = await openWorld();
const { db } = world;

const MB = 1 << 20;
const MEMBERS = 3000;

/** 3 GB of the same few bytes, after some others. */
function hugeFile(repeated: string, start = ''): Buffer {
  const member = gzipSync(Buffer.alloc(MB, repeated), { level: 9 });
  return Buffer.concat([gzipSync(start), ...Array.from({ length: MEMBERS }, () => member)]);
}

/** The expected error code of each. */
const HUGE_FILES: Record<string, [body: Buffer, code: string]> = {
  'one line': [hugeFile('x', 'a,b\n1,'), 'row_too_large'],
  'one line in quotes': [hugeFile('x', 'a,b\n1,"'), 'row_too_large'],
  'a header of one line': [hugeFile('x'), 'row_too_large'],
  'newlines after a header': [hugeFile('\n', 'a,b\n'), 'bad_row'],
  'carriage returns after a header': [hugeFile('\r', 'a,b\r'), 'bad_row'],
  'newlines alone': [hugeFile('\n'), 'unknown_column'],
  'newlines in quotes': [hugeFile('\n', 'a,b\n1,"'), 'row_too_large'],
  'quotes after a header': [hugeFile('"', 'a,b\n'), 'row_too_large'],
  'quotes alone': [hugeFile('"'), 'row_too_large'],
  'delimiters after a header': [hugeFile(',', 'a,b\n'), 'row_too_large'],
  'delimiters alone': [hugeFile(','), 'row_too_large'],
  'rows of delimiters': [hugeFile(',,\n', 'a,b\n'), 'bad_row'],
  NULs: [hugeFile('\0', 'a,b\n1,'), 'nul_character'],
};

/** If bad rows are left out or rows are encoded, a NUL does not stop the reading. */
function expectedCode(code: string, on_bad_row: string, way: string): string {
  if (code === 'nul_character') return on_bad_row === 'skip' || way === 'encoded' ? 'row_too_large' : code;
  return code === 'bad_row' && on_bad_row === 'skip' ? 'too_many_bad_rows' : code;
}

const WAYS = [
  { way: 'as bytes', from: Number.MAX_SAFE_INTEGER, on_bad_row: 'fail' },
  { way: 'encoded', from: 0, on_bad_row: 'skip' },
  { way: 'encoded', from: 0, on_bad_row: 'fail' },
];

for (const { way, from, on_bad_row } of WAYS) {
  test(`CSV files of 3 GB without a valid row fail at their first bytes: ${way}, on_bad_row ${on_bad_row}`, async () => {
    const name = `huge_${way.slice(0, 2)}_${on_bad_row}`;
    const worker = await world.startWorker({ ENCODE_CSV_FROM_BYTES: String(from) });
    const cases = Object.entries(HUGE_FILES);
    await db.query(`create table ${name} (a text, b text)`);
    for (const [i, [, [body]]] of cases.entries()) world.put(`${name}/${String(i).padStart(2, '0')}`, body);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      create_table: false,
      max_attempts: 1,
      on_bad_row,
      ...(on_bad_row === 'skip' ? { max_bad_rows: 2 } : {}),
    });
    const files = await world.settled(name);
    for (const [i, [what, [, code]]] of cases.entries()) {
      const file = files[i]!;
      const expected = expectedCode(code, on_bad_row, way);
      const said = `${what}: ${file.error_message}`;
      assert.deepEqual([file.status, file.error_code], ['failure', expected], said);
      assert.ok(file.error_message!.length < 5000, what);
    }
    assert.deepEqual(await db.query(`select count(*)::int from ${name}`), [{ count: 0 }]);
    await world.spoolEmptied();
    await worker.end('SIGTERM');
  });
}
