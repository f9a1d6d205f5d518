import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type CsvDialect, copyEncoding } from '../../src/formats/csv/dialect.ts';
import { inferColumns } from '../../src/formats/csv/infer.ts';
import { limitRows, readHeader, rewriteRecords } from '../../src/formats/csv/records.ts';
import { testDatabase } from '../support/database.ts';
import { modelCopy } from './model.ts';
import { check, chunkSizes, dialectOf, difficultFiles, inChunks } from './random_csv.ts';

// PostgreSQL's own COPY is the oracle: a file's bytes and our rewritten bytes must give the same rows.

const MAX_COLUMNS = 6;
const NAMES = Array.from({ length: MAX_COLUMNS }, (_, position) => `c${position}`);
const CONSTANT = 'it is, "the" constant';

let client: pg.Client;
/** Whether the server reads a line of `\.` as data. */
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

/** The rows that COPY reads from the bytes; null if COPY, or the source of the bytes, refuses them. */
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
    // An error of ours, or one of COPY's. Any other is a bug of the test.
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

/** Files that the server does not end at a line of `\\.`. */
const files = (header: boolean) =>
  difficultFiles(MAX_COLUMNS, header).filter(
    ({ text }) => markerIsData || !/(^|[\r\n])\\\.([\r\n]|$)/.test(text),
  );

test('rewritten records give the same rows as the file, or are refused as the file is', async () => {
  const rewrites = files(false).chain((file) =>
    fc.tuple(
      fc.constant(file),
      fc.option(fc.subarray([...Array(file.columns).keys()])),
      fc.boolean(),
      chunkSizes,
    ),
  );
  let refused = 0;
  await check(400, rewrites, async ([{ text, dialect, columns: count }, keep, appends, sizes]) => {
    const csv = Buffer.from(text);
    const columns = NAMES.slice(0, count);
    const all = columns.map((_, position) => position);
    const append = keep?.length === 0 || appends;
    const { quote, escape: escapeChar } = dialect;
    const quoted = quote + CONSTANT.replaceAll(quote, escapeChar + quote) + quote;
    const rewritten = rewriteRecords(inChunks(csv, sizes), dialect, {
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
    assert.deepEqual(actual, raw?.map(project) ?? null);
    if (raw === null) refused++;
  });
  assert.ok(refused > 0, 'the random files are too good');
});

test('a file without its header line gives the same rows as with it', async () => {
  await check(400, fc.tuple(files(true), chunkSizes), async ([{ text, dialect, columns: count }, sizes]) => {
    const csv = Buffer.from(text);
    const columns = NAMES.slice(0, count);
    const options = { maxRowBytes: 10_000 };
    async function* rows() {
      const header = await readHeader(inChunks(csv, sizes), dialect, options.maxRowBytes);
      const start = { lineOffset: header.lines, newline: header.newline };
      yield* limitRows(header.rest, dialect, { ...options, ...start });
    }
    const actual = await copyRows(columns, rows(), { ...dialect, header: false });
    const raw = await copyRows(columns, whole(csv), dialect);
    if (actual === null && raw !== null) {
      // We refuse only two things that COPY accepts: data that an older server would drop, and a header that never ends.
      const { records, refused } = modelCopy(text, dialect);
      const openHeader = records.length === 0 && refused === 'unterminated_quote';
      assert.ok(openHeader || /(^|[\r\n])\\\.[\r\n]/.test(text));
    } else {
      assert.deepEqual(actual, raw);
    }
  });
});

test('rewritten records keep their rows in encodings whose characters contain ASCII bytes', async () => {
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
      const rewritten = rewriteRecords(inChunks(csv, [2, 1, 3]), dialect, options);
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

test('PostgreSQL accepts every value of a column as its inferred type', async () => {
  await client.query("set datestyle = 'ISO'; set timezone = 'UTC'");
  await check(400, fc.tuple(typedRows, chunkSizes), async ([records, sizes]) => {
    const columns = NAMES.slice(0, records[0]!.length);
    const csv = Buffer.from(`${records.map((fields) => fields.join(',')).join('\n')}\n`);
    const inferred = await inferColumns(inChunks(csv, sizes), dialectOf(), {
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
    assert.ok(raw !== null && rows?.length === raw.length, `${definitions}`);
    for (const [position, { type, nullable }] of inferred.entries()) {
      const values: Row = raw.map((one: Row) => one[position] ?? null);
      assert.equal(nullable, values.includes(null));
      assert.ok(type === 'text' || values.some((value) => value !== null));
    }
  });
});

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`));
const two = (below: number) => fc.nat(below - 1).map((n) => String(n).padStart(2, '0'));
const sign = fc.constantFrom('', '', '-');
const join = (...parts: (fc.Arbitrary<string> | string)[]) =>
  fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((texts) => texts.join(''));
const date = join(
  fc.constantFrom('0000', '0001', '1900', '2000', '2024', '9999'),
  fc.constant('-'),
  two(14),
  '-',
  two(33),
);
const offsetSign = fc.constantFrom('+', '-');
const zone = fc.oneof(
  fc.constantFrom('', 'Z', 'z'),
  join(offsetSign, two(17)),
  join(offsetSign, two(17), ':', two(61)),
  join(offsetSign, two(17), two(61)),
);
const seconds = fc.oneof(fc.constant(''), join(':', two(61)), join(':', two(61), '.', digits(10)));

/** Values of each kind that inference knows, including boundary values. */
const KINDS: fc.Arbitrary<string>[] = [
  fc.constantFrom('true', 'False', 't', 'F'),
  join(sign, digits(6)),
  join(sign, digits(22)),
  join(
    sign,
    fc.nat(10).map((n) => String(9223372036854775802n + BigInt(n))),
  ),
  join(sign, fc.oneof(fc.constant(''), digits(8)), '.', digits(12)),
  join(sign, digits(30), '.', digits(30)),
  join(sign, digits(3), '.', digits(3), 'e', sign, digits(4)),
  join(digits(20), 'E+', digits(3)),
  fc.constantFrom('NaN', 'inf', '-Infinity', 'nan'),
  date,
  join(date, fc.constantFrom('T', ' '), two(26), ':', two(61), seconds, zone),
  fc.constantFrom('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'),
  fc.constantFrom('""', 'x', '"1"', '"a,b"', '00501', '-'),
];

/** Columns mostly of one kind: with bad values in nearly every column all would be text. */
const typedRows = fc
  .array(fc.tuple(fc.nat(KINDS.length - 1), fc.option(fc.nat(KINDS.length - 1), { freq: 1 })), {
    minLength: 1,
    maxLength: MAX_COLUMNS,
  })
  .chain((columns) => {
    const values = columns.map(([first, second]) =>
      fc.oneof({ weight: 1, arbitrary: fc.constant('') }, KINDS[first]!, KINDS[second ?? first]!),
    );
    return fc.array(fc.tuple(...values), { minLength: 1, maxLength: 20 });
  });
