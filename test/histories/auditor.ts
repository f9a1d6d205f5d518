/** The "auditor": compares the target table, the files and the late keys of a connector with the model. It knows what COPY lands. */
import assert from 'node:assert/strict';
import { isAfter, type Model } from './model.ts';
import { type LandedRow, type Oracle, texts } from './oracle.ts';

/** What the database says about a connector that has settled. */
export interface Observed {
  state: string;
  marker: string | null;
  files: ObservedFile[];
  notes: { key: string; reason: string; etag: string }[];
  /** The changes of status, in the order of their commits. */
  history: { key: string; from_status: string | null; to_status: string }[];
  /** Null if the table is not there. */
  rows:
    | {
        values: Record<string, unknown>;
        file_id: number | null;
        file_key: string | null;
        line: number | null;
      }[]
    | null;
  rejected: { key: string; line: number }[];
  /** What on_import has noted, the id of a file for each import; null: the connector has no on_import. */
  followed: number[] | null;
}

export interface ObservedFile {
  id: number;
  key: string;
  etag: string;
  status: string;
  rows_read: number | null;
  rows_imported: number | null;
  rows_rejected: number | null;
  rows_skipped: number | null;
  error_code: string | null;
  error_message: string | null;
}

/**
 * Compares, and fails with the first difference. Where the model leaves open whether a key was seen already, it takes over what
 * happened.
 */
export async function audit(model: Model, seen: Observed, oracle: Oracle): Promise<void> {
  takeOver(model, seen);
  assert.equal(seen.state, model.isRunning ? 'running' : 'paused', 'the state of the connector');
  assert.equal(seen.marker, model.marker, 'the marker');
  assertFiles(model, seen);
  assertNotes(model, seen);
  assertHistory(model, seen);
  assertFollowed(seen);
  await assertCounts(model, seen, oracle);
  await assertRows(model, seen, oracle);
}

/** A running connector may look at its keys at any time: a poll that somebody else caused, a retry, the end of an outage. */
function takeOver(model: Model, { files, notes, marker }: Observed): void {
  if (marker !== null && model.mayStandAt(marker)) model.marker = marker;
  if (!model.isRunning) return;
  const tracked = new Map(files.map((file) => [file.key, file.etag]));
  const noted = new Map(notes.map((note) => [note.key, note.etag]));
  const isNew = (key: string) => model.bucket.has(key) && !model.files.has(key);
  if (files.some(({ key }) => isNew(key) && isAfter(key, model.marker))) model.poll();
  for (const [key, { etag }] of model.bucket) {
    const file = model.files.get(key);
    const isSeen = file
      ? file.version.etag !== etag &&
        (tracked.get(key) === etag ||
          (noted.get(key) === etag && model.notes.get(key)?.version.etag !== etag))
      : tracked.has(key) || noted.has(key);
    if (isSeen) model.look(key);
  }
  model.admit();
}

function assertFiles({ files }: Model, seen: Observed): void {
  assert.deepEqual(
    Object.fromEntries(seen.files.map(({ key, status, etag }) => [key, { status, etag }])),
    Object.fromEntries(
      [...files]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { status, version }]) => [key, { status, etag: version.etag }]),
    ),
    `the files${seen.files.map(({ key, error_message }) => (error_message ? `; ${key}: ${error_message}` : '')).join('')}`,
  );
}

function assertNotes(model: Model, seen: Observed): void {
  const found = new Map(seen.notes.map(({ key, reason }) => [key, reason]));
  for (const [key, note] of model.notes) {
    if (model.mayBeForgotten(key, note) && !found.has(key)) continue;
    assert.equal(found.get(key), note.reason, `the note about ${key}`);
  }
  for (const key of found.keys()) assert.ok(model.notes.has(key), `nothing was to be noted about ${key}`);
}

/**
 * Each change of status begins where the one before has ended, and the last one ends with the status of the file. A file that has
 * failed is queued again as often as somebody asked: it mostly fails again, so nothing else shows a retry.
 */
function assertHistory(model: Model, { history, files }: Observed): void {
  const last = new Map<string, string>();
  const retries = new Map<string, number>();
  for (const { key, from_status, to_status } of history) {
    assert.equal(from_status, last.get(key) ?? null, `the history of ${key} has a gap`);
    last.set(key, to_status);
    if (from_status === 'failure' && (to_status === 'in_queue' || to_status === 'paused'))
      retries.set(key, (retries.get(key) ?? 0) + 1);
  }
  for (const { key, status } of files) {
    assert.equal(last.get(key), status, `the history of ${key} has no end`);
    assert.equal(retries.get(key) ?? 0, model.files.get(key)!.retries, `how often ${key} was retried`);
  }
}

/** on_import runs once for each import. */
function assertFollowed({ history, files, followed }: Observed): void {
  if (followed === null) return;
  const idOf = new Map(files.map(({ id, key }) => [key, id]));
  const imports = history.filter(({ to_status }) => to_status === 'success').map(({ key }) => idOf.get(key)!);
  assert.deepEqual(
    followed.toSorted(byNumber),
    imports.toSorted(byNumber),
    'the files that on_import has followed up',
  );
}

function byNumber(one: number, other: number): number {
  return one - other;
}

async function assertCounts(model: Model, seen: Observed, oracle: Oracle): Promise<void> {
  for (const row of seen.files) {
    const { rows } = model.files.get(row.key)!;
    const rejected = seen.rejected.filter(({ key }) => key === row.key).map(({ line }) => line);
    if (rows === null) {
      const counts = [row.rows_read, row.rows_imported, row.rows_rejected, row.rows_skipped];
      assert.deepEqual([counts, rejected], [[null, null, null, null], []], `the counts of ${row.key}`);
      continue;
    }
    const landing = await oracle.landing(rows, model.settings);
    const landed = new Set(landing.rows.map(({ line }) => line));
    const bad = rows.records.map(({ line }) => line).filter((line) => !landed.has(line));
    assert.equal(row.rows_read, landing.read, `rows_read of ${row.key}`);
    assert.equal(row.rows_rejected, bad.length, `rows_rejected of ${row.key}`);
    assert.equal(row.rows_imported! + row.rows_skipped!, landing.rows.length, `rows_imported of ${row.key}`);
    if (model.settings.kind === 'append') assert.equal(row.rows_skipped, 0, `rows_skipped of ${row.key}`);
    assert.deepEqual(rejected, bad, `the rejected rows of ${row.key}`);
  }
}

async function assertRows(model: Model, seen: Observed, oracle: Oracle): Promise<void> {
  const { kind, lineage } = model.settings;
  const expected = kind === 'append' ? await appended(model, oracle) : await replayed(model, seen, oracle);
  const idOf = new Map(seen.files.map(({ id, key }) => [key, id]));
  const show = ({ key, values, line }: ExpectedRow) =>
    JSON.stringify([lineage ? [idOf.get(key), key, line] : null, sorted(values)]);
  const found = (seen.rows ?? []).map(({ values, file_id, file_key, line }) =>
    JSON.stringify([lineage ? [file_id, file_key, line] : null, sorted(texts(values))]),
  );
  assert.deepEqual(found.sort(), expected.map(show).sort(), 'the rows of the table');
}

interface ExpectedRow extends LandedRow {
  key: string;
}

async function appended(model: Model, oracle: Oracle): Promise<ExpectedRow[]> {
  const rows: ExpectedRow[] = [];
  for (const [key, file] of model.files) {
    if (file.rows === null) continue;
    const landing = await oracle.landing(file.rows, model.settings);
    rows.push(...landing.rows.map((row) => ({ ...row, key })));
  }
  return rows;
}

/** Rows that replace each other: applies the files in the order in which they were imported, row by row. */
async function replayed(model: Model, { history }: Observed, oracle: Oracle): Promise<ExpectedRow[]> {
  const table = new Map<string, ExpectedRow>();
  const imports = new Map([...model.files].map(([key, file]) => [key, [...file.imports]]));
  for (const { key, to_status } of history) {
    if (to_status !== 'success' && to_status !== 'undone') continue;
    for (const [id, row] of table) if (row.key === key && model.settings.lineage) table.delete(id);
    if (to_status === 'undone') continue;
    const version = imports.get(key)!.shift();
    assert.ok(version, `${key} was imported once too often`);
    const { rows } = await oracle.landing(version, model.settings);
    for (const row of rows) apply(table, { ...row, key }, model);
  }
  for (const [key, rest] of imports)
    assert.deepEqual(
      rest.map(({ number }) => number),
      [],
      `${key} was imported too seldom`,
    );
  return [...table.values()];
}

function apply(table: Map<string, ExpectedRow>, { values, ...row }: ExpectedRow, { settings }: Model): void {
  const { Op, ...columns } = values;
  const id = columns.id!;
  if (Op === 'D') table.delete(id);
  else if (settings.kind === 'changes' || settings.conflict === 'update' || !table.has(id))
    table.set(id, { ...row, values: columns });
}

function sorted(values: Record<string, string>): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}
