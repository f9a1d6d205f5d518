import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { openWorld } from '../support/world.ts';
import {
  arbitraryHistory,
  csvOf,
  DEFAULT_W,
  type History,
  isBad,
  LOWEST,
  replay,
  type Variant,
} from './history.ts';

// Many histories share the files of one connector: each is a group of rows with keys of its own.

/** How many histories, and their seed. CHANGES_HISTORIES=10000 is a run of minutes. */
const HISTORIES = Number(process.env.CHANGES_HISTORIES ?? 1000);
const seed = Number(process.env.CHANGES_SEED ?? 1);
const FILES = 4;

const VARIANTS: Variant[] = [
  { name: 'by_order', sequence: 'none', badRows: false },
  { name: 'by_sequence', sequence: 'file', badRows: false },
  { name: 'by_stored_sequence', sequence: 'table', badRows: false },
  { name: 'bad_rows', sequence: 'none', badRows: true },
  { name: 'bad_rows_by_sequence', sequence: 'file', badRows: true },
];

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

/** Bad rows are found by trying, so there are fewer of those. */
const sizeOf = ({ badRows }: Variant) => Math.ceil((HISTORIES * (badRows ? 0.05 : 0.3)) / 1);

/** The third file has no column `w`. */
const isPartial = (file: number) => file === 2;

for (const variant of VARIANTS) {
  test(`${variant.name}: a table equals the replay of its files, one change at a time`, async (t) => {
    t.diagnostic(`CHANGES_SEED=${seed} CHANGES_HISTORIES=${HISTORIES}`);
    const histories = fc.sample(arbitraryHistory(variant, FILES), { seed, numRuns: sizeOf(variant) });
    await makeTable(variant);
    for (let file = 0; file < FILES; file++) {
      const parts = histories.map((history) => history[file]!);
      world.put(`${variant.name}/${file}.csv`, csvOf(variant, parts, isPartial(file)));
    }
    await insertConnector(variant);
    const files = await world.settled(variant.name);
    assert.deepEqual(
      files.map(({ status, error_message }) => error_message ?? status),
      Array(FILES).fill('success'),
    );
    await assertReplayed(variant, histories);
    await assertCounts(variant, histories);
  });
}

async function makeTable({ name, sequence }: Variant): Promise<void> {
  await db.query(`create table ${name} (
    h integer, id integer, v integer check (v >= ${LOWEST}), w text default '${DEFAULT_W}'
    ${sequence === 'table' ? ', seq bigint' : ''}, primary key (h, id))`);
}

async function insertConnector({ name, sequence, badRows }: Variant): Promise<void> {
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    change_column: 'Op',
    change_values: 'dms',
    ...(sequence === 'none' ? {} : { sequence_column: 'seq' }),
    ...(badRows ? { on_bad_row: 'skip', max_bad_rows: null } : {}),
  });
}

async function assertReplayed(variant: Variant, histories: History[]): Promise<void> {
  const columns = variant.sequence === 'table' ? 'h, id, v, w, seq::int' : 'h, id, v, w, null as seq';
  const rows = await db.query(`select ${columns} from ${variant.name} order by h, id`);
  const expected = histories.flatMap((history, h) =>
    replay(variant, history, isPartial).map((row) => ({ h, ...row })),
  );
  const wrong = histories.findIndex((_, h) => {
    const own = (all: { h: number }[]) => JSON.stringify(all.filter((row) => row.h === h));
    return own(rows as { h: number }[]) !== own(expected);
  });
  const shown = wrong === -1 ? '' : `history ${wrong}: ${JSON.stringify(histories[wrong])}`;
  assert.deepEqual(rows, expected, shown);
}

/** Every row of a file is counted once, and the changes add up to the rows that are in the table. */
async function assertCounts({ name }: Variant, histories: History[]): Promise<void> {
  const files = await db.query<Record<string, number>>(
    `select rows_read, rows_imported, rows_rejected, rows_skipped, rows_inserted, rows_updated, rows_deleted
      from s3_connector.files where connector_name = $1 order by key`,
    [name],
  );
  for (const [number, file] of files.entries()) {
    const changes = histories.flatMap((history) => history[number]!);
    assert.equal(file.rows_read, changes.length);
    assert.equal(file.rows_read, file.rows_imported! + file.rows_rejected! + file.rows_skipped!);
    assert.equal(file.rows_imported, file.rows_inserted! + file.rows_updated! + file.rows_deleted!);
    const bad = changes.filter(isBad).length;
    assert.ok(file.rows_rejected! <= bad, `${file.rows_rejected} of ${bad}`);
  }
  const sum = (column: string) => files.reduce((total, file) => total + file[column]!, 0);
  const { count } = await db.one<{ count: number }>(`select count(*)::int from ${name}`);
  assert.equal(sum('rows_inserted') - sum('rows_deleted'), count);
}
