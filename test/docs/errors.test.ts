import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withAwsErrors } from '../../docs/describe_aws_errors.ts';
import { ERROR_ROWS } from '../../src/sources/s3_error_table.ts';
import { tableRows } from './markdown.ts';
import { collectPromisedCodes, collectRaisedCodes, collectSqlConditions, type Kind } from './raised_codes.ts';

const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const raised = await collectRaisedCodes();
const conditions = await collectSqlConditions();

const uncode = (cell: string) => cell.replaceAll('`', '');
const rows = tableRows(page);
/** code, passing or lasting, cause, what to do */
const codeRows = rows.filter((cells) => cells.length === 4);
/** From src/sources/s3_error_table.ts: code, passing or lasting, asked for, answer, cause, what to do */
const awsRows = rows.filter((cells) => cells.length === 6);
/** SQLSTATE, its condition, when; or SQLSTATE, when */
const sqlRows = rows.filter((cells) => cells.length < 4);

test('the check recognizes every way in which the code creates an error code', () => {
  assert.deepEqual(raised.unknown, []);
  // One code of each kind of source, so that an empty collection does not pass for a complete page.
  for (const code of [
    'bad_parquet',
    'object_changed',
    'conflict',
    'nul_character',
    'worker_died',
    'chunk_made_meanwhile',
  ])
    assert.ok(raised.kinds.has(code), code);
  assert.ok(raised.kinds.size >= 70);
});

test('docs/errors.md lists every code that is raised, and no other', () => {
  const documented = codeRows.map(([code]) => uncode(code!));
  assert.deepEqual(documented, [...new Set(documented)], 'each code has one row');
  const ofAws = awsRows.map(([code]) => uncode(code!));
  const all = new Set([...documented, ...ofAws]);
  assert.deepEqual([...all].sort(), [...raised.kinds.keys()].sort());
});

test("the table of AWS's answers in docs/errors.md is current", () => {
  assert.ok(page === withAwsErrors(page), 'run npm run docs');
  assert.equal(awsRows.length, ERROR_ROWS.length);
});

test('docs/errors.md gives each code the class that the code gives it: passing, lasting or both', () => {
  const wordOf = (kinds: Set<Kind>) => (kinds.size === 2 ? 'both' : [...kinds][0]);
  const said = codeRows.map(([code, word]) => [uncode(code!), word]);
  assert.deepEqual(
    said,
    said.map(([code]) => [code, wordOf(raised.kinds.get(code!)!)]),
  );
});

test('docs/errors.md gives each code its cause and what to do', () => {
  for (const [code, , cause, remedy] of codeRows) assert.ok(cause!.length > 10 && remedy, code);
});

test('docs/errors.md lists every condition that the SQL functions raise, and no other', () => {
  const documented = sqlRows.map(([sqlstate, condition]) =>
    uncode(condition!.startsWith('`') ? condition! : sqlstate!),
  );
  assert.deepEqual(documented.toSorted(), [...conditions].sort());
});

test('docstrings name only codes that are raised', async () => {
  const promised = await collectPromisedCodes();
  assert.ok(promised.length >= 20);
  assert.deepEqual(
    promised.filter(({ code }) => !raised.kinds.has(code)),
    [],
  );
});
