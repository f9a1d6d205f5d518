import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;

interface Load {
  table: string | null;
  files: (string | Buffer)[];
  connector?: Record<string, unknown>;
  mappings?: [source: string, target: string | null][];
}

/** Imports files, and returns how they ended, the table's rows, and the refused ones. */
async function load({ table, files, connector = {}, mappings = [] }: Load) {
  const name = `read_${++made}`;
  if (table !== null) await db.query(`create table ${name} (${table})`);
  for (const [i, file] of files.entries()) world.put(`${name}/${i}`, file);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'json',
    schedule: NEVER_AGAIN,
    ...connector,
    state: 'paused',
  });
  for (const [source, target] of mappings)
    await db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ($1, $2, $3)',
      [name, source, target],
    );
  await db.query('select s3_connector.resume($1)', [name]);
  const ended = await world.settled(name);
  const exists = await db.one<{ found: string | null }>('select to_regclass($1) as found', [name]);
  const rows = exists.found ? await db.query<Record<string, unknown>>(`select * from ${name}`) : [];
  const rejected = await db.query(
    'select line::int, column_name, error, raw from s3_connector.rejected_rows where connector_name = $1 order by key, line',
    [name],
  );
  return { name, ended, rows, rejected };
}

const SHAPES: Record<string, string | Buffer> = {
  'JSON lines': '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
  'lines without an end, with a byte order mark': '\ufeff{"a":1,"b":"x"}\r\n\r\n{"a":2,"b":"y"}',
  'an array': ' [ {"a":1,"b":"x"},\n {"b":"y","a":2} ]\n',
  'an array over many lines': '[\n{\n"a":\n1,"b":"x"\n}\n,{\n"a":2,"b":"y"}\n]',
  'objects without anything between them': '{"a":1,"b":"x"}{"a":2,"b":"y"}',
  'arrays and objects in turn': '[]{"a":1,"b":"x"}[{"a":2,"b":"y"}][]',
  gzip: gzipSync('{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
  zstd: zstdCompressSync('{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
  zip: Buffer.from(
    zipSync({ 'a.json': Buffer.from('{"a":1,"b":"x"}'), 'b.json': Buffer.from('[{"a":2,"b":"y"}]') }),
  ),
};

for (const [shape, file] of Object.entries(SHAPES)) {
  test(`records are found by content: ${shape}`, async () => {
    const { ended, rows } = await load({ table: 'a integer, b text', files: [file] });
    assert.equal(ended[0]!.error_message, null);
    assert.deepEqual(rows, [
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
    ]);
  });
}

test('records within an object are found by json_records', async () => {
  const file =
    '{"v":{"Records":[{"a":9}]},"Records":[{"a":1},{"a":2}],"more":[1]}\n{"Records":null}{"Records":{"a":3}}';
  const { ended, rows } = await load({
    table: 'a integer',
    // As CloudTrail writes them.
    files: [gzipSync(file), gzipSync('{"digest":1}')],
    connector: { file_format: 'cloudtrail' },
  });
  assert.deepEqual(rows, [{ a: 1 }, { a: 2 }, { a: 3 }]);
  assert.equal(ended[1]!.error_code, 'records_not_found');
});

test('a column that no record has gets its default, and null where only some have it', async () => {
  const { ended, rows } = await load({
    table: "id int generated always as identity, a int, b text default 'd', c int default 7",
    files: ['{"a":1}\n{"a":2,"b":"x"}\n'],
  });
  assert.equal(ended[0]!.error_message, null);
  assert.deepEqual(rows, [
    { id: 1, a: 1, b: null, c: 7 },
    { id: 2, a: 2, b: 'x', c: 7 },
  ]);
});

test('a column with a default may first come at the end of a large file', async () => {
  const lines = Array.from({ length: 40_000 }, (_, i) => `{"a":${i}}\n`).join('');
  const { ended } = await load({ table: "a int, b text default 'd'", files: [`${lines}{"a":-1,"b":"x"}\n`] });
  assert.equal(ended[0]!.error_message, null);
  assert.equal(ended[0]!.attempts, 1);
  const [row] = await db.query<{ n: number }>(
    `select count(*)::int as n from read_${made} where b is null and a >= 0 or b = 'x'`,
  );
  assert.equal(row!.n, 40_001);
});

test('an unknown key fails the file with its line, unless it is ignored or mapped away', async () => {
  const files = ['{"a":1}\n{"a":2,"A":3}\n'];
  const { ended } = await load({ table: 'a int', files });
  assert.equal(ended[0]!.error_code, 'unknown_column');
  assert.match(ended[0]!.error_message!, /line 2: the record has the key "A" .*the table has "a"/);
  const ignored = await load({ table: 'a int', files, connector: { on_unknown_column: 'ignore' } });
  assert.deepEqual(ignored.rows, [{ a: 1 }, { a: 2 }]);
  const mapped = await load({ table: 'a int', files, mappings: [['A', null]] });
  assert.deepEqual(mapped.rows, [{ a: 1 }, { a: 2 }]);
});

test('paths read nested values, and $ the whole record', async () => {
  const { ended, rows } = await load({
    table: 'id int, first text, odd text, line jsonb',
    files: ['{"user":{"id":5,"odd name":"o","user":{"id":6}},"items":[{"x":"p"},{"x":"q"}]}\n{"user":7}\n'],
    mappings: [
      ['$.user.id', 'id'],
      ['$.items[1].x', 'first'],
      ['$.user."odd name"', 'odd'],
      ['$', 'line'],
    ],
  });
  assert.equal(ended[0]!.error_message, null);
  assert.deepEqual(rows, [
    {
      id: 5,
      first: 'q',
      odd: 'o',
      line: { user: { id: 5, 'odd name': 'o', user: { id: 6 } }, items: [{ x: 'p' }, { x: 'q' }] },
    },
    { id: null, first: null, odd: null, line: { user: 7 } },
  ]);
});

test('a new table has a column for each key, in the order of their first appearance', async () => {
  const { name, ended, rows } = await load({
    table: null,
    files: [
      '{"n":1,"s":"007","t":"2026-01-31T10:00:00Z","o":{"x":1},"l":[1,2.5,null],"m":1,"z":[]}\n' +
        '{"n":2.5,"late":true,"s":"x","t":null,"o":null,"l":[],"m":"one"}\n',
    ],
  });
  assert.equal(ended[0]!.error_message, null);
  const columns = await db.query(
    'select attname, format_type(atttypid, null) as type from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum',
    [name],
  );
  assert.deepEqual(
    columns.map(({ attname, type }) => `${attname} ${type}`),
    [
      'n double precision',
      's text',
      't timestamp with time zone',
      'o jsonb',
      'l double precision[]',
      'm jsonb',
      'z jsonb',
      'late boolean',
    ],
  );
  assert.deepEqual(rows[1], { n: 2.5, s: 'x', t: null, o: null, l: [], m: 'one', z: null, late: true });
});

test('an array of any depth is refused as one of seven dimensions is', async () => {
  const nested = (depth: number, item: string) => `{"a":${'['.repeat(depth)}${item}${']'.repeat(depth)}}`;
  const { name, ended, rows, rejected } = await load({
    table: 'a int[]',
    files: [[nested(6, '1'), nested(7, ''), nested(200_000, '1'), '{"a":[2]}'].join('\n')],
    connector: { on_bad_row: 'skip' },
  });
  assert.equal(ended[0]!.error_message, null);
  assert.deepEqual(rows, [{ a: [[[[[[1]]]]]] }, { a: [2] }]);
  assert.deepEqual(
    rejected.map(({ line, error }) => [line, error]),
    [7, 200_000].map((depth, i) => [
      i + 2,
      `number of array dimensions (${depth}) exceeds the maximum allowed (6)`,
    ]),
  );
  const oracle = db.query(`select json_populate_record(null::${name}, $1::json)`, [nested(7, '')]);
  await assert.rejects(oracle, /number of array dimensions \(7\) exceeds/);
});

test('bad records are left out, and rejected_rows has them as the file does', async () => {
  const { ended, rows, rejected } = await load({
    table: 'a int',
    files: [
      '{"a":1}\n{"a":\n{"a":2}\nnonsense\n5\n{"a":"x"}\n{"a":"\\u0000"}\n{"a":[1]}\n{"a":3}\n{"a":4,"b',
      '[{"a":5},7,{"a":1.5},{"a":6}]',
    ],
    connector: { on_bad_row: 'skip', on_unknown_column: 'ignore' },
  });
  assert.deepEqual(
    ended.map(({ error_message }) => error_message),
    [null, null],
  );
  assert.deepEqual(rows.map(({ a }) => Number(a)).sort(), [1, 2, 3, 5, 6]);
  assert.deepEqual(
    rejected.map(({ line, column_name, raw }) => [line, column_name, raw]),
    [
      [2, null, '{"a":'],
      [4, null, 'nonsense'],
      [5, null, '5'],
      [6, 'a', '{"a":"x"}'],
      [7, null, '{"a":"\\u0000"}'],
      [8, 'a', '{"a":[1]}'],
      [10, null, '{"a":4,"b'],
      [2, null, '7'],
      [3, 'a', '{"a":1.5}'],
    ],
  );
});
