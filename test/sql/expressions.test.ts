import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();
let client: pg.Client;

before(async () => {
  client = await db.connect();
  await client.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state)
     values ('c', 'bucket', '**', 'csv', 't', 'paused'), ('p', 'bucket', '**', 'parquet', 't', 'paused')`,
  );
});

const insert = (columns: Record<string, unknown>) => {
  const row = { connector_name: 'c', ...columns };
  return client.query(
    `insert into s3_connector.column_mappings (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
};

const refused = (run: Promise<unknown>, message: RegExp) =>
  assert.rejects(run, (error: { code: string; message: string; hint: string }) => {
    assert.equal(error.code, '22023');
    assert.match(`${error.message} | ${error.hint}`, message);
    return true;
  });

/** Texts that would change the statement around them if they were written into it. */
const NOT_ONE_EXPRESSION: [expression: string, why: RegExp][] = [
  ['', /empty/],
  ['  -- nothing\n /* at all */', /empty/],
  ['value; drop table t', /semicolon/],
  ['value;', /semicolon/],
  ['1) from x; drop table t; select (1', /\) that nothing opens/],
  ['1) from pg_class where (true', /\) that nothing opens/],
  ['(value', /\( that nothing closes/],
  ['array[value', /\[ that nothing closes/],
  ['(value]', /\] that nothing opens/],
  ['value, 1', /comma outside/],
  ["'open", /not ended/],
  ['"open', /not ended/],
  ['$a$ open $b$', /not ended/],
  ['/* open /* */', /not ended/],
  [String.raw`E'\') from x --`, /not ended/],
  // What seems to be quoted, and is not for PostgreSQL.
  ["E'a'\n'b\\' ) ; commit; select ('' || '", /two quoted texts/],
  ["E'a' -- \n /* */ '\\' ) ; commit; select ('", /two quoted texts/],
  ['é$a$ ) ; commit; select (1 || $a$', /\) that nothing opens/],
  ['😀$a$ ) ; commit; select (1 || $a$', /\) that nothing opens/],
  ['x$a$ ) ; commit; select (1 || $a$', /\) that nothing opens/],
  ['\u00a0$a$ ) ; commit; select (1 || $a$', /\) that nothing opens/],
  ["'\\' ) ; commit; select ('", /\) that nothing opens/],
];

test('a text that is not one expression is refused, with the reason', async () => {
  for (const [expression, why] of NOT_ONE_EXPRESSION)
    await refused(insert({ source_column: 'a', target_column: 'a', expression }), why).catch((error) => {
      throw new Error(`${expression}: ${error.message}`, { cause: error });
    });
});

test('an expression may have quotes, comments, dollars and any brackets that are closed', async () => {
  const expressions = [
    'value -- at the end',
    "value /* ; ) ' */ || ';)'",
    String.raw`E'\'' || value || '\' || U&'\0041'`,
    '$a$ ) ; $b$ ( $a$ || $$;$$',
    "(array[value, 'b'])[1]",
    'row."a ; "" ) b"',
    "case when value ~ '^[(;]' then null else value end",
    "(select max(v) from (values (value), ('x')) as t (v))",
    'größe + 1',
  ];
  for (const [i, expression] of expressions.entries())
    await insert({ source_column: `s${i}`, target_column: `t${i}`, expression }).catch((error) => {
      throw new Error(`${expression}: ${error.message} ${error.hint}`, { cause: error });
    });
});

test('what the parser of PostgreSQL takes between parentheses, and what the check takes, never end the parentheses early', async () => {
  // Random texts of lexemes: if the check accepts one, PostgreSQL sees one statement.
  const lexemes = [
    '(',
    ')',
    "'",
    '"',
    '$$',
    '$a$',
    "E'",
    '\\',
    '--',
    '\n',
    '/*',
    '*/',
    'a',
    '1',
    ';',
    ' ',
    'é',
    "''",
    '[',
    ']',
    ',',
    '$',
    'x$a$',
  ];
  let state = 16;
  const next = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  const texts = Array.from({ length: 20_000 }, () =>
    Array.from({ length: 1 + next(9) }, () => lexemes[next(lexemes.length)]!).join(''),
  );
  const { rows } = await client.query<{ text: string }>(
    `select text from unnest($1::text[]) as t (text) where s3_connector_private.expression_fault(text) is null`,
    [texts],
  );
  assert.ok(rows.length > 200, `${rows.length}`);
  for (const { text } of rows) {
    // Without the check's parentheses, PostgreSQL would report a syntax error at the marker, or run it.
    const { rows: found } = await client.query<{ answer: string }>(
      `select s3_connector_private.expression_fault($1) is null as answer`,
      [text],
    );
    assert.ok(found);
    const statement = `select 1 where false and (\n${text}\n) is null; select 'after' as marker`;
    const error = await client.query(statement).then(
      (results) => {
        assert.equal((results as unknown as unknown[]).length, 2, text);
        return null;
      },
      (failure: { code: string; position?: string }) => failure,
    );
    // What PostgreSQL cannot parse, or does not find, runs nothing.
    if (error) assert.match(error.code, /^(42|22|0A)/, `${text}: ${error.code}`);
  }
});

test('an expression is refused beside a date_format, without a target, and with a transform', async () => {
  const expression = 'value';
  await refused(
    insert({ source_column: 'a', target_column: 'a', expression, date_format: 'DMY' }),
    /date_format must be null/,
  );
  await refused(insert({ source_column: 'a', expression }), /target_column must be given/);
  await refused(insert({ target_column: 'a' }), /source_column must be given/);
  await client.query("update s3_connector.connectors set transform = 'from file' where name = 'p'");
  await refused(
    insert({ connector_name: 'p', source_column: 'a', target_column: 'a', expression }),
    /expression must be null if the connector has a transform/,
  );
  await client.query("update s3_connector.connectors set transform = null where name = 'p'");
  await insert({ connector_name: 'p', source_column: 'a', target_column: 'a', expression });
  await refused(
    client.query("update s3_connector.connectors set transform = 'from file' where name = 'p'"),
    /transform must be null if column mappings/,
  );
});

test('a source column has one mapping, and a target one source; an expression without a source is beside them', async () => {
  await insert({ source_column: 'twice', target_column: 'one', expression: 'value' });
  await assert.rejects(
    insert({ source_column: 'twice', target_column: 'two', expression: 'value' }),
    (error: { code: string; hint: string }) =>
      error.code === '23505' && /over row, without a source_column/.test(error.hint),
  );
  await insert({ target_column: 'free', expression: 'row.a' });
  await insert({ target_column: 'free_2', expression: 'row.a' });
  await refused(insert({ target_column: 'one', expression: '1' }), /Column 'twice' goes there already/);
  await refused(
    insert({ source_column: 'other', target_column: 'free' }),
    /An expression goes there already/,
  );
});

test('a template of to_timestamp is a date_format, and what only looks like one is refused with a hint', async () => {
  for (const [i, date_format] of [
    'DD.MM.YYYY HH24:MI',
    'dd/mm/yy',
    'Mon DD, YYYY',
    'YYYY-MM-DD"T"HH24:MI:SS.USOF:TZM'.replace('OF:TZM', ''),
    'IYYY-IW',
    'YYYYMMDD',
  ].entries())
    await insert({ source_column: `d${i}`, target_column: `d${i}`, date_format });
  for (const [date_format, message] of [
    ['YDM', /Did you mean (YMD|DMY|MDY)\?/],
    ['dmy', /Did you mean DMY\?/],
    ['iso', /Did you mean ISO\?/],
    ['%d.%m.%Y', /DD\.MM\.YYYY HH24:MI/],
    ['"DD"', /or a template of to_timestamp/],
    ['epoch_min', /Did you mean epoch/],
    ['YYYY-IW', /invalid combination of date conventions/],
    ['', /date_format must be/],
  ] as const) {
    await refused(insert({ source_column: 'd', target_column: 'd', date_format }), message);
    await refused(
      client.query('insert into s3_connector.file_formats (name, kind, date_format) values ($1, $2, $3)', [
        'f',
        'csv',
        date_format,
      ]),
      message,
    );
  }
});
