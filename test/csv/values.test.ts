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
import { plainColumn } from '../../src/table/table.ts';
import { testDatabase } from '../support/database.ts';
import { mangled, TYPES } from './random_values.ts';

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
    const column = plainColumn('v', type, type);
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
  const kind = kindOf({ ...plainColumn('v', type, type), ...rows[0] }, timeZone);
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
