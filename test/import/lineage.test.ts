import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { strToU8, zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
/** Files from here on are encoded by the worker. */
const ENCODE_FROM = 2000;
before(() => world.startWorker({ ENCODE_CSV_FROM_BYTES: String(ENCODE_FROM) }));

const LINEAGE = { file_id_column: 'f', file_key_column: 'k', line_column: 'l' };

let made = 0;
const nextName = () => `lineage_${++made}`;

/** Imports one file into a table. Returns its rows as `[n, line]`, after checking their file and key. */
async function load(
  columns: string,
  body: Buffer | string,
  { name = nextName(), ...settings }: Record<string, unknown> & { name?: string } = {},
): Promise<[n: number, line: number][]> {
  if (columns) await db.query(`create table ${name} (${columns}, f bigint, k text, l bigint)`);
  const file = await world.importFile(name, body, { ...LINEAGE, ...settings });
  assert.equal(file.status, 'success', `${file.error_code}: ${file.error_message}`);
  const rows = await db.query(
    `select n, l, k = file.key as same from ${name} left join s3_connector.files file on file.id = f order by n, l`,
  );
  assert.ok(rows.every(({ same }) => same === true));
  return rows.map(({ n, l }) => [n as number, l as number]);
}

interface Written {
  body: string;
  /** The line on which each row starts, with the row's `n`. */
  rows: [n: number, line: number][];
}

/** Writes rows, some of them over several lines, and some with a value that only PostgreSQL can judge. */
function write(count: number, { newline = '\n', head = 'n,label', odd = true } = {}): Written {
  const lines = [head];
  const rows: Written['rows'] = [];
  let line = 1 + head.split(newline).length;
  for (let n = 1; n <= count; n++) {
    const label =
      n % 7 === 0 ? `"a${newline}b${newline}""${n}"` : n % 5 === 0 ? `"quoted, ${n}"` : `row ${n}`;
    lines.push(`${odd && n % 1500 === 0 ? ` ${n} ` : n},${label}`);
    rows.push([n, line]);
    line += n % 7 === 0 ? 3 : 1;
  }
  return { body: lines.map((one) => one + newline).join(''), rows };
}

const MANY = 6000;

describe('each row of a CSV has the line on which it starts', () => {
  const ways: Record<string, { rows: number; further?: string; newline?: string }> = {
    'parsed by PostgreSQL': { rows: 30 },
    'encoded, with sections that PostgreSQL parses': { rows: MANY },
    'encoded, with line ends of Windows': { rows: MANY, newline: '\r\n' },
    'with line ends of old Macs': { rows: MANY, newline: '\r' },
    'with a column that is not encoded': { rows: MANY, further: ', further inet' },
  };
  for (const [way, { rows: count, further = '', newline = '\n' }] of Object.entries(ways)) {
    test(way, async () => {
      const { body, rows } = write(count, { newline });
      assert.deepEqual(await load(`n bigint, label text${further}`, body), rows);
    });
  }

  test('in a column of another type than bigint', async () => {
    const { body, rows } = write(MANY);
    const name = nextName();
    await db.query(`create table ${name} (n bigint, label text, f bigint, k varchar(99), l integer)`);
    assert.deepEqual(await load('', body, { name }), rows);
  });

  test('without a line end after the last row, and with a field that the table lacks', async () => {
    const { body, rows } = write(MANY, { head: '"n","some\nlabel"' });
    const loaded = await load('n bigint', body.slice(0, -1), { on_unknown_column: 'ignore' });
    assert.deepEqual(loaded, rows);
  });

  test('where the digits are the null, and the quote', async () => {
    const settings = { csv_null: '3', csv_quote: '1', csv_escape: '1' };
    assert.deepEqual(await load('n integer', 'n\n20\n40\n50\n', settings), [
      [20, 2],
      [40, 3],
      [50, 4],
    ]);
  });
});

describe('a CSV of another dialect has the lines of the file', () => {
  const HEAD = 'made by hand\n\nn;label';
  for (const [way, count] of Object.entries({ 'parsed by PostgreSQL': 20, encoded: MANY })) {
    test(way, async () => {
      const name = nextName();
      const { body, rows } = write(count, { head: HEAD, odd: false });
      // A comment after every tenth row, and a blank line. The numbers of the rows behind them grow.
      let added = 0;
      const moved = rows.map(([n, line]): [number, number] => {
        const at = line + added;
        if (n % 10 === 0 && n % 7 !== 0) added += 2;
        return [n, at];
      });
      const commented = body
        .replaceAll(',', ';')
        .split('\n')
        .map((one) => (/^\d*0;[^a]*$/.test(one) ? `${one}\n# not "a row\n` : one))
        .join('\n');
      await world.insertFormat({
        name,
        csv_delimiter: ';',
        skip_lines: 2,
        comment_prefix: '#',
        skip_blank_lines: true,
        skip_footer: 1,
      });
      const loaded = await load('n bigint, label text', `${commented}total;1\n`, { name, file_format: name });
      assert.deepEqual(loaded, moved);
    });
  }

  test('if a row has more lines in the file than in what COPY reads', async () => {
    const name = nextName();
    await world.insertFormat({ name, on_long_row: 'cut' });
    const body = 'n,x\n1,a,"b\nc\nd"\n2,b\n"3",c,"\n"\n4,d\n';
    assert.deepEqual(await load('n bigint, x text', body, { name, file_format: name }), [
      [1, 2],
      [2, 5],
      [3, 6],
      [4, 8],
    ]);
  });
});

describe('bad rows leave the lines of the others as they are', () => {
  /** Returns the lines of the rows in the table, and of those that were refused. */
  const bothOf = async (name: string) => {
    const [lines] = await db.query(
      `select (select array_agg(l::integer order by l) from ${name}) as good,
        (select array_agg(line::integer order by line) from s3_connector.rejected_rows where connector_name = $1) as bad`,
      [name],
    );
    return lines;
  };

  test('that the reader, or PostgreSQL, refuses', async () => {
    const name = nextName();
    const body = 'n,label\n1,"a\nb"\nx,bad\n2,c\n3\n4,d,5\n5,"e\n\n"\nbad,"f\ng"\n6,h\n';
    await load('n bigint, label text', body, { name, on_bad_row: 'skip' });
    assert.deepEqual(await bothOf(name), { good: [2, 5, 8, 13], bad: [4, 6, 7, 11] });
  });

  test('with fields that the table lacks', async () => {
    const name = nextName();
    const body = `n,label\n${'1,"a\nb"\n'.repeat(3)}x,"a\nb"\n9,c\n`;
    await load('n bigint', body, { name, on_bad_row: 'skip', on_unknown_column: 'ignore' });
    assert.deepEqual(await bothOf(name), { good: [2, 4, 6, 10], bad: [8] });
  });

  test('of many rows', async () => {
    const name = nextName();
    const { body, rows } = write(MANY);
    const lines = body.split('\n');
    const bad = rows.filter(([n]) => n % 997 === 0 && n % 7 !== 0);
    for (const [, line] of bad) lines[line - 1] = `x${lines[line - 1]}`;
    const loaded = await load('n bigint, label text', lines.join('\n'), { name, on_bad_row: 'skip' });
    assert.deepEqual(
      loaded,
      rows.filter((row) => !bad.includes(row)),
    );
    assert.deepEqual(
      ((await bothOf(name)) as { bad: number[] }).bad,
      bad.map(([, line]) => line),
    );
  });

  test('of JSON', async () => {
    const name = nextName();
    await load('n bigint', '{"n":1}\n{"n":"x"}\n\n{"n":2}\n{"n"\n{"n":3}\n', {
      name,
      on_bad_row: 'skip',
      file_format: 'json',
    });
    assert.deepEqual(await bothOf(name), { good: [1, 4, 6], bad: [2, 5] });
  });

  test('of Parquet', async () => {
    const name = nextName();
    const body = await parquetOf(
      "select case when i % 100 = 7 then 'x' else i::varchar end as n from range(300) r(i)",
    );
    await load('n bigint', body, { name, on_bad_row: 'skip', file_format: 'parquet' });
    const { good, bad } = (await bothOf(name)) as { good: number[]; bad: number[] };
    assert.deepEqual(bad, [8, 108, 208]);
    assert.deepEqual([good.length, good[0], good.at(-1)], [297, 1, 300]);
  });
});

test('each entry of a zip has lines of its own', async () => {
  const { body, rows } = write(300, { odd: false });
  const body2 = body.replace(/^(\d+),/gm, (_, n) => `${Number(n) + 1000},`);
  const zip = Buffer.from(zipSync({ 'a.csv': strToU8(body), 'b.csv': strToU8(body2) }));
  assert.deepEqual(await load('n bigint, label text', zip), [
    ...rows,
    ...rows.map(([n, line]) => [n + 1000, line]),
  ]);
});

describe('a record of JSON has the line on which it starts, or its number', () => {
  const numbers = Array.from({ length: 500 }, (_, i) => i + 1);
  const pretty = (n: number) => JSON.stringify({ n, x: { y: [n] } }, null, 2);
  const height = pretty(1).split('\n').length;
  const shapes: Record<string, { body: (numbers: number[]) => string; lineOf: (n: number) => number }> = {
    'one record a line, with blank lines': {
      body: (all) => all.map((n) => `{"n":${n}}\n\n`).join(''),
      lineOf: (n) => 2 * n - 1,
    },
    'records of several lines': {
      body: (all) => all.map((n) => `${pretty(n)}\n`).join(''),
      lineOf: (n) => 1 + (n - 1) * height,
    },
    'an array of such records': {
      body: (all) => `[\n${all.map(pretty).join(',\n')}\n]\n`,
      lineOf: (n) => 2 + (n - 1) * height,
    },
    'an array on one line: the number': {
      body: (all) => JSON.stringify(all.map((n) => ({ n }))),
      lineOf: (n) => n,
    },
  };
  for (const [shape, { body, lineOf }] of Object.entries(shapes)) {
    for (const [way, count, further] of [
      ['small', 3, ''],
      ['encoded', 500, ''],
      ['parsed by PostgreSQL', 500, ', further inet'],
    ] as const) {
      test(`${shape}, ${way}`, async () => {
        const all = numbers.slice(0, count);
        const loaded = await load(`n bigint, x jsonb${further}`, body(all), { file_format: 'json' });
        assert.deepEqual(
          loaded,
          all.map((n) => [n, lineOf(n)]),
        );
      });
    }
  }
});

describe('a row of Parquet has its number', () => {
  const ways: Record<string, [columns: string, query: string]> = {
    'as binary': ['n bigint', 'select i + 1 as n from range(5000) r(i)'],
    'as text': ['n bigint, x inet', "select i + 1 as n, '10.0.0.1' as x from range(5000) r(i)"],
    'that has a column of the name of the numbers': [
      'n bigint, file_row_number text',
      "select i + 1 as n, 'x' as file_row_number from range(5000) r(i)",
    ],
  };
  for (const [way, [columns, query]] of Object.entries(ways)) {
    test(way, async () => {
      const loaded = await load(columns, await parquetOf(query), { file_format: 'parquet' });
      assert.equal(loaded.length, 5000);
      assert.ok(loaded.every(([n, line]) => n === line));
    });
  }
});

test('a created table has the columns, and a dry run of the file keeps none of it', async () => {
  const name = nextName();
  world.put(`${name}/1`, 'n\n1\n2\n');
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    state: 'paused',
    ...LINEAGE,
  });
  await db.query(`call s3_connector.preview('${name}')`);
  await db.query(`call s3_connector.dry_run_file('${name}', '${name}/1')`);
  assert.deepEqual(await db.query(`select to_regclass('${name}') as made`), [{ made: null }]);
  await db.query(`select s3_connector.resume('${name}')`);
  await world.settled(name);
  const columns = await db.query(
    `select attname as name, atttypid::regtype::text as type from pg_attribute where attrelid = '${name}'::regclass and attnum > 0 order by attnum`,
  );
  assert.deepEqual(columns, [
    { name: 'n', type: 'bigint' },
    { name: 'f', type: 'bigint' },
    { name: 'k', type: 'text' },
    { name: 'l', type: 'bigint' },
  ]);
  assert.deepEqual(await db.query(`select n, k, l from ${name} order by l`), [
    { n: 1, k: `${name}/1`, l: 2 },
    { n: 2, k: `${name}/1`, l: 3 },
  ]);
});

describe('rows keep their line through a staging table', () => {
  const BODY = 'id,n\n1,10\n2,20\n1,30\n';
  const linesOf = (name: string) => db.query(`select id, n, l from ${name} order by id`);

  for (const [on_conflict, line] of [
    ['update', { id: 1, n: 30, l: 4 }],
    ['skip', { id: 1, n: 10, l: 2 }],
  ] as const) {
    test(`of on_conflict ${on_conflict}`, async () => {
      const name = nextName();
      await load('id integer primary key, n integer', BODY, { name, on_conflict });
      assert.deepEqual(await linesOf(name), [line, { id: 2, n: 20, l: 3 }]);
    });
  }

  test('of changes: the line of the last change of a key', async () => {
    const name = nextName();
    await db.query(`create table ${name} (id integer primary key, n integer, k text, l bigint)`);
    const settings = { change_column: 'Op', change_values: 'dms', file_key_column: 'k', line_column: 'l' };
    await world.importFile(name, 'Op,id,n\nI,1,1\nU,1,2\nI,2,3\nU,1,4\nD,2,3\nI,3,5\n', settings);
    world.put(`${name}/2`, 'Op,id,n\n\nU,3,6\n'.replace('\n\n', '\n'));
    await db.query(`select s3_connector.poll_now('${name}')`);
    await world.settled(name);
    assert.deepEqual(await db.query(`select id, n, split_part(k, '/', 2) as k, l from ${name} order by id`), [
      { id: 1, n: 4, k: '1.csv', l: 5 },
      { id: 3, n: 6, k: '2', l: 2 },
    ]);
  });

  test('of expressions, also over the whole row', async () => {
    const name = nextName();
    await db.query(
      `create table ${name} (id integer, n integer, d text, e text, f bigint, k text, l bigint)`,
    );
    world.put(`${name}/1`, 'id,n\n1,"\n10"\n2,20\nx,1\n3,30\n');
    await db.query('begin');
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      on_bad_row: 'skip',
      ...LINEAGE,
    });
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression) values
        ('${name}', 'n', 'n', 'trim(value, e''\\n'')::integer * 2'), ('${name}', null, 'd', 'row.id || row.n')`,
    );
    await db.query('commit');
    const [file] = await world.settled(name);
    assert.equal(file!.error_message, null);
    assert.deepEqual(await linesOf(name), [
      { id: 1, n: 20, l: 2 },
      { id: 2, n: 40, l: 4 },
      { id: 3, n: 60, l: 6 },
    ]);
  });

  test('of rescued values, and of columns that were added', async () => {
    const name = nextName();
    await db.query(`create table ${name} (id integer, n integer, rest jsonb, f bigint, k text, l bigint)`);
    const file = await world.importFile(name, 'id,n,more\n1,10,a\n2,x,b\n3,30,c\n', {
      on_unknown_column: 'add',
      on_type_mismatch: 'rescue',
      rescue_column: 'rest',
      ...LINEAGE,
    });
    assert.equal(file.error_message, null);
    assert.deepEqual(await db.query(`select id, n, more, rest, l from ${name} order by id`), [
      { id: 1, n: 10, more: 'a', rest: null, l: 2 },
      { id: 2, n: null, more: 'b', rest: { n: 'x' }, l: 3 },
      { id: 3, n: 30, more: 'c', rest: null, l: 4 },
    ]);
  });

  test('of a view', async () => {
    const name = nextName();
    await db.query(`create table ${name}_t (id integer, n integer, f bigint, k text, l bigint);
      create view ${name} as select * from ${name}_t`);
    const file = await world.importFile(name, BODY, LINEAGE);
    assert.equal(file.error_message, null);
    assert.deepEqual(await db.query(`select n, l from ${name} order by l`), [
      { n: 10, l: 2 },
      { n: 20, l: 3 },
      { n: 30, l: 4 },
    ]);
  });
});

test('a key that cannot stand in the rows of its file is whole in the column', async () => {
  const name = nextName();
  await db.query(`create table ${name} (n integer, x text, k text, l bigint)`);
  const keys = [`${name}/é\t"`, `${name}/two\nlines`];
  for (const key of keys) world.put(key, Buffer.from('n,x\n1,"é\n"\n2,b\n', 'latin1'));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    csv_encoding: 'latin1',
    file_key_column: 'k',
    line_column: 'l',
  });
  for (const file of await world.settled(name)) assert.equal(file.error_message, null);
  assert.deepEqual(
    await db.query(
      `select k, array_agg(l::integer order by l) as l, min(x) as x from ${name} group by k order by k collate "C"`,
    ),
    [
      { k: keys[1], l: [2, 4], x: 'b' },
      { k: keys[0], l: [2, 4], x: 'b' },
    ],
  );
});

describe('a table without the column', () => {
  for (const [setting, type] of [
    ['file_id_column', 'bigint'],
    ['file_key_column', 'text'],
    ['line_column', 'bigint'],
  ]) {
    test(`of ${setting}: the file and check have the statement that adds it`, async () => {
      const name = nextName();
      await db.query(`create table ${name} (n integer)`);
      const file = await world.importFile(name, 'n\n1\n', { [setting!]: 'My Line' });
      assert.equal(file.error_code, `no_${setting}`);
      await db.query(`call s3_connector.check('${name}')`);
      const [found] = await db.query<{ hint: string }>(
        'select hint from s3_connector.checks where connector_name = $1 and not ok',
        [name],
      );
      const statement = /alter table .*;/.exec(found!.hint)![0];
      assert.match(statement, new RegExp(`add column "My Line" ${type};`));
      await db.query(statement);
      await db.query(`select s3_connector.retry('${name}')`);
      assert.equal((await world.settled(name))[0]!.status, 'success');
    });
  }
});

for (const [format, body] of [
  ['csv', 'n,l\n1,2\n'],
  ['json', '{"n":1,"l":2}'],
] as const) {
  test(`a column of a ${format} that has the name of line_column is refused, unless unknown columns are ignored`, async () => {
    const name = nextName();
    await db.query(`create table ${name} (n integer, l bigint)`);
    const columns = { file_format: format, target_table: name, line_column: 'l' };
    const file = await world.importFile(name, body, columns);
    assert.equal(file.error_code, 'duplicate_column');
    assert.match(file.error_message!, /column "l" and line_column both go into column "l"/);
    const ignored = await world.importFile(`${name}_i`, body, { ...columns, on_unknown_column: 'ignore' });
    assert.equal(ignored.status, 'success', ignored.error_message ?? '');
    assert.deepEqual(await db.query(`select n, l from ${name}`), [{ n: 1, l: format === 'csv' ? 2 : 1 }]);
  });
}
