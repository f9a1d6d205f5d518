import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import { openWorld } from '../support/world.ts';
import { differences, type Group, importAndCopy, quoteField, startWorker, WAYS } from './harness.ts';
import { copyByHand } from './oracle.ts';
import { SPELLINGS, type Spellings } from './spellings.ts';

// Every spelling of every type goes through the worker and through COPY, among ordinary rows. COPY decides which
// are refused; each of those fails a file of its own, and is left out alone with on_bad_row skip.

const world = await openWorld();
const { db } = world;
const kinds: Kind[] = [];

interface Kind {
  name: string;
  spellings: Spellings;
  taken: string[];
  refused: string[];
}

before(async () => {
  const client = await db.connect();
  for (const [name, spellings] of Object.entries(SPELLINGS)) {
    if (await prepare(name, spellings)) kinds.push(await tryAll(client, name, spellings));
  }
});

/** Finds which spellings COPY takes. */
async function tryAll(client: pg.Client, name: string, spellings: Spellings): Promise<Kind> {
  const { type, wild, time_zone } = spellings;
  await client.query(`create table tried (v ${type})`);
  const kind: Kind = { name, spellings, taken: [], refused: [] };
  for (const spelling of wild) {
    const bytes = Buffer.from(quoteField(spelling));
    const { rows } = await copyByHand(client, 'tried', ['v'], bytes, { time_zone }, 'select 1 from tried');
    (rows === null ? kind.refused : kind.taken).push(spelling);
  }
  await client.query('drop table tried');
  return kind;
}

/** False if the server has no such type. */
async function prepare(name: string, { setup, extension }: Spellings): Promise<boolean> {
  if (setup) await db.query(setup);
  if (!extension) return true;
  const [available] = await db.query('select from pg_available_extensions where name = $1', [extension]);
  if (!available)
    console.log(`left out: ${name}, because the server does not have the extension ${extension}`);
  else await db.query(`create extension ${extension}`);
  return available !== undefined;
}

/** Rows of ordinary values, with an unusual one after every third, and as the first and last row. */
function rowsOf(usual: string[], wild: string[], quoteAll: boolean): string[] {
  const values: string[] = [];
  for (const [i, spelling] of wild.entries()) {
    values.push(spelling);
    if (i < wild.length - 1) for (let j = 0; j < 3; j++) values.push(usual[(i + j) % usual.length]!);
  }
  return values.map((value, i) => `${i},${quoteField(value, quoteAll)}\n`);
}

/** @param every one in so many refused spellings is tested in a file of its own */
function groupsOf({ spellings, taken, refused }: Kind, every: number): Group[] {
  const { type, usual, time_zone = 'UTC' } = spellings;
  const table = { columns: `n integer, v ${type}`, fills: ['n', 'v'] };
  const ordinary = (count: number) => rowsOf(usual, usual.slice(0, count), false).join('');
  const files: Record<string, string> = {
    [`${type}: what is taken`]: rowsOf(usual, taken, false).join(''),
    [`${type}: what is taken, quoted`]: rowsOf(usual, taken, true).join(''),
  };
  for (const [i, spelling] of refused.entries()) {
    if (i % every > 0) continue;
    const row = `7,${quoteField(spelling)}\n`;
    const place = [row + ordinary(3), ordinary(2) + row + ordinary(2), ordinary(3) + row][(i / every) % 3]!;
    files[`${type}: ${JSON.stringify(spelling.slice(0, 50))}`] = place;
  }
  const all = spellings.wild.filter((spelling) => !spelling.includes('\n'));
  const rows = rowsOf(usual, all, false);
  const isBad = (row: string) => refused.some((spelling) => row.endsWith(`,${quoteField(spelling)}\n`));
  const name = `${type}: bad rows left out`;
  return [
    { ...table, settings: { time_zone }, files },
    {
      ...table,
      bare: true,
      settings: { time_zone, on_bad_row: 'skip' },
      files: { [name]: rows.join('') },
      forCopy: { [name]: Buffer.from(rows.filter((row) => !isBad(row)).join('')) },
      rejectedLines: rows.flatMap((row, i) => (isBad(row) ? [i + 1] : [])),
    },
  ];
}

/** Where each refusal is our own; elsewhere it is COPY's, or the same code refuses it. */
const EVERY_REFUSAL = 'encoded';
let some: Group[];

for (const [name, way] of Object.entries(WAYS)) {
  test(`every spelling of every type is imported as COPY imports it, ${name}`, async () => {
    const worker = await startWorker(world, way);
    some ??= kinds.flatMap((kind) => groupsOf(kind, 8));
    const groups = name === EVERY_REFUSAL ? kinds.flatMap((kind) => groupsOf(kind, 1)) : some;
    assert.deepEqual(differences(await importAndCopy(world, groups, way)), []);
    await worker.end('SIGTERM');
  });
}

/** What a database may set. COPY reads dates in the style's order; it is never asked to write them. */
const STYLES = [
  { datestyle: 'SQL, DMY', intervalstyle: 'sql_standard', timezone: 'Asia/Kathmandu' },
  { datestyle: 'German', intervalstyle: 'iso_8601', timezone: 'America/New_York' },
  { datestyle: 'Postgres, YMD', intervalstyle: 'postgres_verbose', timezone: 'Europe/Berlin' },
];
/** The ways in which PostgreSQL reads the times, and in which we do. */
const READERS = [WAYS['as bytes']!, WAYS.encoded!];
const DATES = [
  '03/12/2026',
  '2026/03/12',
  '12.03.2026',
  '12-03-26',
  '26/03/12',
  '31/12/2026',
  '12/31/2026',
  '1-Feb-3',
];

for (const style of STYLES) {
  test(`times are imported as COPY imports them in a database with ${Object.values(style).join(', ')}`, async () => {
    for (const [name, value] of Object.entries(style))
      await db.query(`alter database ${db.name} set ${name} to '${value}'`);
    const client = await db.connect();
    const times: Kind[] = [];
    for (const [name, spellings] of Object.entries(SPELLINGS)) {
      if (!/^(date|time|interval)/.test(spellings.type)) continue;
      const clocks = DATES.map((date) => (spellings.type.startsWith('timestamp') ? `${date} 01:02` : date));
      times.push(
        await tryAll(client, name, { ...spellings, wild: [...DATES, ...clocks, ...spellings.wild] }),
      );
    }
    const groups = times.flatMap((kind) => groupsOf(kind, 16));
    for (const way of READERS) {
      const worker = await startWorker(world, way);
      assert.deepEqual(differences(await importAndCopy(world, groups, way)), []);
      await worker.end('SIGTERM');
    }
  });
}
