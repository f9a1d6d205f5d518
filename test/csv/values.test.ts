import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { BINARY_HEADER, BINARY_TRAILER } from '../../src/formats/pg_binary/frame.ts';
import { kindOf, putterOf } from '../../src/formats/pg_binary/kinds.ts';
import { putInt32, UNSURE, VALUE_ROOM } from '../../src/formats/pg_binary/values.ts';
import { testDatabase } from '../support/database.ts';

// A value that is encoded has the same bits that PostgreSQL makes from its text; every other value is left to PostgreSQL.

const SEED = Number(process.env.CSV_SEED ?? 1);
const VALUES = Number(process.env.CSV_VALUES ?? 600);

let client: pg.Client;
before(async () => {
  console.log(`CSV_SEED=${SEED}`);
  client = await (await testDatabase({ empty: true })).connect();
  await client.query("create type mood as enum ('sad', 'ok', 'very happy')");
  await client.query("create domain short as varchar(3) check (value <> 'no')");
});

const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{0,${max}}$`));
const sign = fc.constantFrom('', '', '', '-', '+');
const decimal = fc
  .tuple(sign, digits(20), fc.constantFrom('', '.', '.'), digits(20))
  .map((parts) => parts.join(''));
const integer = fc.oneof(
  fc.tuple(sign, digits(20)).map((parts) => parts.join('')),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  ...[15n, 16n, 31n, 32n, 53n, 63n, 64n].map((bits) =>
    fc
      .tuple(fc.constantFrom(-1n, 1n), fc.bigInt({ min: -2n, max: 2n }))
      .map(([s, d]) => String(s * 2n ** bits + d)),
  ),
);
const float = fc.oneof(
  fc.double().map(String),
  fc.float().map(String),
  fc.double().map((value) => value.toPrecision(17)),
  // Half way between two floats, and next to it.
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value * (1 + 2 ** -24))),
  fc.tuple(decimal, fc.constantFrom('e', 'E'), sign, digits(3)).map((parts) => parts.join('')),
  decimal,
  fc.constantFrom(
    'NaN',
    'nan',
    '-nan',
    '+NaN',
    'inf',
    '-Infinity',
    '+inf',
    'INFINITY',
    'infinit',
    '.inf',
    '-.nan',
    '.',
    '-',
    'e5',
    '0x10',
    '1e',
    '4.9e-324',
    '1e400',
    '-0',
    '-0.0e0',
    '2.2250738585072011e-308',
  ),
);
const upTo = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'));
const date = fc.oneof(
  fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((value) => value.toISOString().slice(0, 10)),
  fc
    .tuple(
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 32 }),
    )
    .map(
      ([y, m, d]) =>
        `${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}`,
    ),
  fc.constantFrom(
    '2024-02-29',
    '1900-02-29',
    '2000-02-29',
    'infinity',
    '-infinity',
    'epoch',
    '4713-01-01 BC',
    '294276-12-31',
    '20240131',
    '2024-1-1',
  ),
);
const time = fc
  .tuple(
    upTo(25),
    upTo(61),
    fc.option(upTo(61), { nil: undefined }),
    fc.option(digits(9), { nil: undefined }),
  )
  .map(([h, m, s, f]) => `${h}:${m}${s === undefined ? '' : `:${s}${f === undefined ? '' : `.${f}`}`}`);
const zone = fc.oneof(
  fc.constantFrom(
    '',
    '',
    'Z',
    'z',
    '+00',
    ' +00',
    ' UTC',
    '+1',
    '-15:59',
    '+14:00',
    '+14:59:59',
    ' Europe/Berlin',
    ' BC',
  ),
  fc
    .tuple(fc.constantFrom('+', '-'), upTo(16), fc.constantFrom('', ':'), fc.option(upTo(61), { nil: '' }))
    .map((parts) => parts.join('')),
);
const stamp = fc.oneof(
  date,
  fc.tuple(date, fc.constantFrom(' ', ' ', 'T', 't', '  '), time, zone).map((parts) => parts.join('')),
);
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 100 }));
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`);
const uuid = fc.uuid();

/** A column type, and texts that its input function accepts, or nearly accepts. */
const TYPES: [type: string, texts: fc.Arbitrary<string>][] = [
  ['smallint', integer],
  ['integer', integer],
  ['bigint', integer],
  ['real', float],
  ['double precision', float],
  ['numeric', fc.oneof(decimal, integer, float)],
  ['numeric(12,3)', fc.oneof(decimal, integer)],
  [
    'boolean',
    fc.oneof(
      fc.constantFrom('t', 'TRUE', 'tr', 'y', 'on', 'o', 'of', 'OFF', '1', '0', '01', 'n', ' no', '\x11'),
      fc.string({ maxLength: 5 }),
    ),
  ],
  ['text', text],
  ['varchar(5)', text],
  ['char(4)', text],
  ['json', fc.oneof(fc.json(), text)],
  ['jsonb', fc.oneof(fc.json(), text)],
  ['mood', fc.constantFrom('sad', 'ok', 'very happy')],
  ['short', fc.string({ maxLength: 3 })],
  [
    'uuid',
    fc.oneof(
      uuid,
      uuid.map((value) => value.toUpperCase()),
      uuid.map((value) => `{${value}}`),
    ),
  ],
  ['bytea', fc.oneof(hex, text)],
  ['date', fc.oneof(date, stamp)],
  ['time', time],
  ['time(2)', time],
  ['timestamp', stamp],
  ['timestamp(3)', stamp],
  ['timestamptz', stamp],
];

/** All texts that differ from a text by one character. */
const mangled = (texts: fc.Arbitrary<string>) =>
  fc
    .tuple(texts, fc.nat(), fc.constantFrom(...' +-.:eE0_x\t/TZ{}"\\', '٣', ''))
    .map(([value, at, character]) => {
      const place = at % (value.length + 1);
      return value.slice(0, place) + character + value.slice(place + 1);
    });

for (const [type, texts] of TYPES) {
  for (const timeZone of type === 'timestamptz' ? ['UTC', 'America/St_Johns'] : ['UTC']) {
    test(`values of ${type} are parsed as PostgreSQL parses them, in ${timeZone}`, async () => {
      const sample = fc.sample(
        fc.oneof({ arbitrary: texts, weight: 3 }, { arbitrary: mangled(texts), weight: 1 }),
        {
          seed: SEED,
          numRuns: VALUES,
        },
      );
      await client.query(`set timezone = '${timeZone}'`);
      await client.query(
        `create temp table by_text (n int, v ${type}); create temp table by_value (n int, v ${type})`,
      );
      try {
        const wellFormed = sample.map((value) => value.toWellFormed().replaceAll('\0', ''));
        const encoded = await encode(type, timeZone, wellFormed);
        assert.ok(encoded.length > VALUES / 50, `only ${encoded.length} of ${VALUES} are encoded`);
        await compare(type, encoded);
      } finally {
        await client.query('drop table by_text, by_value');
      }
    });
  }
}

test('an empty text is no number, also if the byte after it could begin one', () => {
  for (const type of ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric']) {
    const column = {
      name: 'v',
      type,
      baseType: type,
      isEnum: false,
      insertable: true,
      identityAlways: false,
      hasDefault: false,
      shape: null,
      comment: null,
    };
    const kind = kindOf(column, 'UTC');
    for (const after of '-+0.')
      assert.equal(putterOf(kind!)(Buffer.from(after), 0, 0, Buffer.alloc(VALUE_ROOM), 0), UNSURE, type);
  }
});

interface Encoded {
  text: string;
  value: Buffer;
}

/** Checks encoded values, except those that the type itself refuses, in both ways. */
async function encode(type: string, timeZone: string, texts: string[]): Promise<Encoded[]> {
  const { rows } = await client.query(
    `select format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as "baseType", t.typtype = 'e' as "isEnum"
      from pg_type t where t.oid = $1::regtype`,
    [type],
  );
  const kind = kindOf(
    { ...rows[0], name: 'v', type, insertable: true, identityAlways: false, hasDefault: false, shape: null },
    timeZone,
  );
  assert.ok(kind);
  const put = putterOf(kind);
  return texts.flatMap((text) => {
    const bytes = Buffer.from(`x${text}x`);
    const to = Buffer.alloc(bytes.length + VALUE_ROOM);
    const end = put(bytes, 1, bytes.length - 1, to, 0);
    return end === UNSURE ? [] : [{ text, value: to.subarray(0, end) }];
  });
}

async function compare(type: string, encoded: Encoded[]): Promise<void> {
  const taken: Encoded[] = [];
  for (let from = 0; from < encoded.length; from += 500)
    taken.push(...(await takenBoth(type, encoded.slice(from, from + 500))));
  await copy('by_text', 'format csv', csv(taken));
  await copy('by_value', 'format binary', binary(taken));
  const { rows } = await client.query(
    `select t.n, t.v::text as text, b.v::text as value from by_text t full join by_value b using (n)
      where t.v::text is distinct from b.v::text or record_send(row(t.v)) <> record_send(row(b.v)) limit 5`,
  );
  assert.deepEqual(
    rows.map((row) => ({ given: taken[row.n]?.text, ...row })),
    [],
  );
}

/** Those values that PostgreSQL accepts as text; a text that it refuses, it must refuse as a value, too. */
async function takenBoth(type: string, some: Encoded[]): Promise<Encoded[]> {
  if (await takes('by_text', 'format csv', csv(some))) return some;
  if (some.length > 1) {
    const middle = some.length >> 1;
    return [
      ...(await takenBoth(type, some.slice(0, middle))),
      ...(await takenBoth(type, some.slice(middle))),
    ];
  }
  const refused = !(await takes('by_value', 'format binary', binary(some)));
  assert.ok(refused, `${type} refuses ${JSON.stringify(some[0]!.text)} as text but takes it as a value`);
  return [];
}

async function takes(table: string, options: string, data: Buffer): Promise<boolean> {
  await client.query('begin');
  try {
    await copy(table, options, data);
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return false;
  } finally {
    await client.query('rollback');
  }
}

async function copy(table: string, options: string, data: Buffer): Promise<void> {
  await pipeline(Readable.from([data]), client.query(copyFrom(`copy ${table} from stdin (${options})`)));
}

const csv = (values: Encoded[]) =>
  Buffer.from(values.map(({ text }, n) => `${n},"${text.replaceAll('"', '""')}"\n`).join(''));

function binary(values: Encoded[]): Buffer {
  const rows = values.map(({ value }, n) => {
    const row = Buffer.alloc(14 + value.length);
    row.writeInt16BE(2);
    putInt32(4, row, 2);
    putInt32(n, row, 6);
    putInt32(value.length, row, 10);
    value.copy(row, 14);
    return row;
  });
  return Buffer.concat([BINARY_HEADER, ...rows, BINARY_TRAILER]);
}
