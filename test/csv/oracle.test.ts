import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, test } from 'node:test';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type CsvDialect, copyEncoding } from '../../src/formats/csv/dialect.ts';
import { inferColumns } from '../../src/formats/csv/infer.ts';
import { limitRows, readHeader, rewriteRecords } from '../../src/formats/csv/records.ts';
import { testDatabase } from '../support/database.ts';
import { modelCopy } from './model.ts';
import {
  DIALECTS,
  dialectOf,
  forSeeds,
  inChunks,
  nastyCsv,
  pick,
  type Random,
  ROUNDS,
  seeded,
} from './random_csv.ts';

// PostgreSQL's own COPY is the oracle: what it makes of a file's bytes, and of what we make of them, is the same.

const MAX_COLUMNS = 6;
const NAMES = Array.from({ length: MAX_COLUMNS }, (_, position) => `c${position}`);
const CONSTANT = 'it is, "the" constant';

let client: pg.Client;
/** Whether a line of `\.` is data to the server. */
let markerIsData: boolean;
before(async () => {
  client = await (await testDatabase({ empty: true })).connect();
  await client.query(
    `create table lines (id bigserial, ${NAMES.map((name) => `${name} text`).join(', ')}, constant text)`,
  );
  const { rows } = await client.query("select current_setting('server_version_num')::int >= 180000 as yes");
  markerIsData = rows[0].yes;
});

type Row = (string | null)[];

/** The rows that COPY makes of the bytes, or null if it, or what gives the bytes, refuses them. */
async function copyRows(
  columns: string[],
  bytes: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  table = 'lines',
): Promise<Row[] | null> {
  const options = [
    `delimiter ${pg.escapeLiteral(dialect.delimiter)}`,
    `quote ${pg.escapeLiteral(dialect.quote)}`,
    `escape ${pg.escapeLiteral(dialect.escape)}`,
    `null ${pg.escapeLiteral(dialect.nullText)}`,
    `encoding ${pg.escapeLiteral(copyEncoding(dialect))}`,
    `header ${dialect.header}`,
  ];
  const list = columns.join(', ');
  await client.query('begin');
  try {
    const copy = client.query(
      copyFrom(`copy ${table} (${list}) from stdin (format csv, ${options.join(', ')})`),
    );
    await pipeline(Readable.from(bytes), copy);
    return (await client.query({ text: `select ${list} from ${table} order by id`, rowMode: 'array' })).rows;
  } catch (error) {
    // Ours, or one of COPY's own. Anything else is a fault of the test.
    const { code = '' } = error as { code?: string };
    if (!/^(22P04|22021|22P05|[a-z_]+)$/.test(code)) throw error;
    return null;
  } finally {
    await client.query('rollback');
  }
}

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** A file in a random dialect, which the server does not end at a line of `\.`. */
function randomFile(
  random: Random,
  header: boolean,
): { csv: Buffer; dialect: CsvDialect; columns: string[] } {
  const columns = NAMES.slice(0, 1 + random(MAX_COLUMNS));
  const dialect = { ...pick(random, DIALECTS), header };
  for (;;) {
    const csv = nastyCsv(random, dialect, columns.length);
    if (markerIsData || !/(^|[\r\n])\\\.([\r\n]|$)/.test(csv))
      return { csv: Buffer.from(csv), dialect, columns };
  }
}

test('rewritten records give the same rows, or are refused as the file is', async () => {
  let refused = 0;
  await forSeeds(async (random) => {
    const { csv, dialect, columns } = randomFile(random, false);
    const all = columns.map((_, position) => position);
    const keep = random(3) === 0 ? null : all.filter(() => random(2) === 0);
    const append = keep?.length === 0 || random(2) === 0;
    const { quote, escape: escapeChar } = dialect;
    const quoted = quote + CONSTANT.replaceAll(quote, escapeChar + quote) + quote;
    const rewritten = rewriteRecords(inChunks(csv, random), dialect, {
      keep,
      append: append ? Buffer.from(quoted) : null,
      expectedFields: columns.length,
      maxRowBytes: 10_000,
    });
    const kept = (keep ?? all).map((position) => columns[position] as string);
    const actual = await copyRows(append ? [...kept, 'constant'] : kept, rewritten, dialect);
    const raw = await copyRows(columns, whole(csv), dialect);
    const project = (row: Row) => [
      ...(keep ?? all).map((position) => row[position] as string | null),
      ...(append ? [CONSTANT] : []),
    ];
    assert.deepEqual(actual, raw?.map(project) ?? null, JSON.stringify(csv.toString()));
    if (raw === null) refused++;
  });
  assert.ok(ROUNDS < 100 || refused > 10, 'the random files are too good');
});

test('a file without its header gives the same rows as with it', async () => {
  await forSeeds(async (random) => {
    const { csv, dialect, columns } = randomFile(random, true);
    const options = { maxRowBytes: 10_000 };
    async function* rows() {
      const header = await readHeader(inChunks(csv, random), dialect, options.maxRowBytes);
      const start = { lineOffset: header.lines, newline: header.newline };
      yield* limitRows(header.rest, dialect, { ...options, ...start });
    }
    const actual = await copyRows(columns, rows(), { ...dialect, header: false });
    const raw = await copyRows(columns, whole(csv), dialect);
    if (actual === null && raw !== null) {
      // Of what COPY takes we only refuse what an older server would drop, and a header that never ends.
      const { records, refused } = modelCopy(csv.toString(), dialect);
      const openHeader = records.length === 0 && refused === 'unterminated_quote';
      assert.ok(openHeader || /(^|[\r\n])\\\.[\r\n]/.test(csv.toString()), JSON.stringify(csv.toString()));
    } else {
      assert.deepEqual(actual, raw, JSON.stringify(csv.toString()));
    }
  });
});

test('in encodings whose characters hold ASCII bytes, too', async () => {
  const random = seeded(11);
  const cases: [string, string][] = [
    ['SJIS', '835c,955c\n"8e94835c",61\n'],
    ['BIG5', 'a55c,a57c\n"a540",61\n'],
    ['GBK', '815c,817c\n"8140",61\n'],
    ['GB18030', '815c,81308130\n"8140",61\n'],
    ['UHC', '8141,8161\n"8141",61\n'],
  ];
  for (const [encoding, hex] of cases) {
    const text = hex.replace(/[0-9a-f]+/g, (digits) => Buffer.from(digits, 'hex').toString('latin1'));
    const csv = Buffer.from(text, 'latin1');
    const dialect = dialectOf({ encoding, delimiter: ',' });
    const raw = await copyRows(['c0', 'c1'], whole(csv), dialect);
    assert.equal(raw?.length, 2, encoding);
    for (const keep of [[0], [1], null]) {
      const options = { keep, append: null, expectedFields: 2, maxRowBytes: 99 };
      const positions = keep ?? [0, 1];
      const rewritten = rewriteRecords(inChunks(csv, random), dialect, options);
      assert.deepEqual(
        await copyRows(
          positions.map((position) => `c${position}`),
          rewritten,
          dialect,
        ),
        raw?.map((row) => positions.map((position) => row[position])),
      );
    }
  }
});

test('PostgreSQL takes every value of a column for its inferred type', async () => {
  await client.query("set datestyle = 'ISO'; set timezone = 'UTC'");
  await forSeeds(async (random) => {
    const columns = NAMES.slice(0, 1 + random(MAX_COLUMNS));
    const makers = columns.map(() => valueMaker(random));
    const row = () => makers.map((make) => (random(5) === 0 ? '' : make())).join(',');
    const csv = Buffer.from(`${Array.from({ length: 1 + random(20) }, row).join('\n')}\n`);
    const inferred = await inferColumns(inChunks(csv, random), dialectOf(), {
      names: columns,
      maxRowBytes: 10_000,
    });
    const definitions = inferred.map(
      ({ name, type, nullable }) => `${name} ${type} ${nullable ? '' : 'not null'}`,
    );
    await client.query(
      `drop table if exists typed; create table typed (id bigserial, ${definitions.join(', ')})`,
    );
    const rows = await copyRows(columns, whole(csv), dialectOf(), 'typed');
    const raw = await copyRows(columns, whole(csv), dialectOf());
    assert.ok(raw !== null && rows?.length === raw.length, `${definitions}\n${csv}`);
    for (const [position, { type, nullable }] of inferred.entries()) {
      const values: Row = raw.map((one: Row) => one[position] ?? null);
      assert.equal(nullable, values.includes(null));
      assert.ok(type === 'text' || values.some((value) => value !== null));
    }
  });
});

/** Makes values of one or two kinds, some of them on the edge. */
function valueMaker(random: Random): () => string {
  const digits = (most: number) => Array.from({ length: 1 + random(most) }, () => random(10)).join('');
  const two = (below: number) => String(random(below)).padStart(2, '0');
  const sign = () => pick(random, ['', '', '-']);
  const date = () =>
    `${pick(random, ['0000', '0001', '1900', '2000', '2024', '9999'])}-${two(14)}-${two(33)}`;
  const zone = () =>
    pick(random, ['', 'Z', 'z', `+${two(17)}`, `-${two(17)}:${two(61)}`, `+${two(17)}${two(61)}`]);
  const seconds = () => pick(random, ['', `:${two(61)}`, `:${two(61)}.${digits(10)}`]);
  const kinds = [
    () => pick(random, ['true', 'False', 't', 'F']),
    () => sign() + digits(6),
    () => sign() + digits(22),
    () => sign() + String(9223372036854775807n - 5n + BigInt(random(10))),
    () => `${sign()}${pick(random, ['', digits(8)])}.${digits(12)}`,
    () => `${sign()}${digits(30)}.${digits(30)}`,
    () => `${sign()}${digits(3)}.${digits(3)}e${sign()}${digits(4)}`,
    () => `${digits(20)}E+${digits(3)}`,
    () => pick(random, ['NaN', 'inf', '-Infinity', 'nan']),
    date,
    () => `${date()}${pick(random, ['T', ' '])}${two(26)}:${two(61)}${seconds()}${zone()}`,
    () => pick(random, ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11']),
    () => pick(random, ['""', 'x', '"1"', '"a,b"', '00501', '-']),
  ];
  // Mostly one kind: with bad values in nearly every column all would be text.
  const first = pick(random, kinds);
  const second = random(3) === 0 ? pick(random, kinds) : first;
  return () => (random(2) === 0 ? first() : second());
}
