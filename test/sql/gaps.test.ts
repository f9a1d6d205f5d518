import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testDatabase } from '../support/database.ts';
import { Planner } from '../support/plans.ts';

const db = await testDatabase();

async function track(name: string, keys: string[]) {
  await db.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state, notify)
    values ($1, 'some-bucket', '**', 'csv', 't', 'paused', false)`,
    [name],
  );
  await db.query(
    `insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
    select $1, k, 'e', 1, now() from unnest($2::text[]) k`,
    [name, keys],
  );
}

async function gaps(name: string, pattern: string, more = ''): Promise<string[]> {
  const rows = await db.query<{ gap: string }>(
    `select concat_ws(' ', to_char(expected_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      to_char(expected_to at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), expected_prefix) as gap
    from s3_connector.find_gaps($1, $2 ${more})`,
    [name, pattern],
  );
  return rows.map((row) => row.gap);
}

test('key_gaps finds the missing hours between the first key and the last, across days', async () => {
  await track('hourly', [
    'logs/2025/12/31/22/a.csv',
    'logs/2025/12/31/22/b.csv',
    'logs/2026/01/01/00/a.csv',
    'logs/2026/01/01/03/a.csv',
    // None of these is an hour's.
    'logs/2026/01/01/01',
    'logs/2026/01/01/02x/a.csv',
    'logs/2026/13/01/00/a.csv',
    'logs/2026/xx/01/00/a.csv',
    'logs/9',
    'logs/:',
    'logsx/2026/01/01/01/a.csv',
  ]);
  const pattern = 'logs/{YYYY}/{MM}/{DD}/{HH}/*';
  assert.deepEqual(await gaps('hourly', pattern), [
    '2025-12-31 23:00 2026-01-01 00:00 logs/2025/12/31/23/',
    '2026-01-01 01:00 2026-01-01 02:00 logs/2026/01/01/01/',
    '2026-01-01 02:00 2026-01-01 03:00 logs/2026/01/01/02/',
  ]);
  assert.deepEqual(
    await gaps('hourly', pattern, ", since => '2026-01-01 02:59Z', until => '2026-01-01 05:30Z'"),
    [
      '2026-01-01 02:00 2026-01-01 03:00 logs/2026/01/01/02/',
      '2026-01-01 04:00 2026-01-01 05:00 logs/2026/01/01/04/',
    ],
  );
  assert.deepEqual(await gaps('hourly', pattern, ", step => '2 hours'"), []);
  assert.deepEqual(await gaps('hourly', pattern, ", step => '90 minutes', until => '2026-01-01 05:30Z'"), [
    '2026-01-01 01:00 2026-01-01 02:30 logs/2026/01/01/01/',
    '2026-01-01 04:00 2026-01-01 05:30 logs/2026/01/01/04/',
  ]);
});

test('key_gaps works by day and by month, with other text around the date, and with a name after it', async () => {
  const days = Array.from({ length: 60 }, (_, i) =>
    new Date(Date.UTC(2024, 1, 1 + i)).toISOString().slice(0, 10),
  );
  await track('daily', [
    ...days.filter((day) => day !== '2024-02-29').map((day) => `t+1/dt=${day}/part-errors.csv`),
    't+1/dt=2024-02-29/part-ok.csv',
    'm/202401.csv',
    'm/202404.csv',
  ]);
  assert.deepEqual(await gaps('daily', 't+1/dt={YYYY}-{MM}-{DD}/**'), []);
  assert.deepEqual(await gaps('daily', 't+1/dt={YYYY}-{MM}-{DD}/*-{errors,warnings}.csv'), [
    '2024-02-29 00:00 2024-03-01 00:00 t+1/dt=2024-02-29/',
  ]);
  assert.deepEqual(await gaps('daily', 'm/{YYYY}{MM}.csv'), [
    '2024-02-01 00:00 2024-03-01 00:00 m/202402.csv',
    '2024-03-01 00:00 2024-04-01 00:00 m/202403.csv',
  ]);
  assert.deepEqual(await gaps('daily', 'none/{YYYY}/*'), []);
  assert.equal(
    (await gaps('daily', 'none/{YYYY}/{MM}/*', ", since => '2024-01-01Z', until => '2025-01-01Z'")).length,
    12,
  );
});

test('a pattern that cannot be a dated pattern is refused with a hint', async () => {
  for (const [pattern, says] of [
    ['logs/*', /must have \{YYYY\}/],
    ['logs/{DD}/{MM}/{YYYY}/*', /in this order/],
    ['logs/{YYYY}/{DD}/*', /in this order/],
    ['{YYYY}/{YYYY}/*', /each once/],
    ['*/{YYYY}/*', /no wildcards before/],
    ['logs/{YYYY}/*/{MM}/*', /no wildcards before/],
  ] as const) {
    await assert.rejects(gaps('daily', pattern), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, '22023');
      assert.match(error.message, says);
      return error.hint.length > 0;
    });
  }
  await assert.rejects(gaps('daily', 'm/{YYYY}{MM}.csv', ", step => '1 day'"), /step must be at least/);
  await assert.rejects(gaps('dayly', 'm/{YYYY}/*'), { code: '42704', hint: /daily/ });
});

test('key_gaps looks up each slot in the index, and a reader may call it', async () => {
  const hours = Array.from({ length: 2000 }, (_, i) => new Date(Date.UTC(2020, 0, 1, i)).toISOString());
  await track(
    'long',
    hours
      .filter((_, i) => i % 100 !== 99)
      .map((hour) => `x/${hour.slice(0, 10)}/${hour.slice(11, 13)}/a.csv`),
  );
  await db.asSuperuser('vacuum analyze s3_connector.files');
  const planner = await Planner.open(db.superuserUrl);
  after(() => planner.close());
  const found = await planner.scans(
    'files',
    "select * from s3_connector.find_gaps('long', 'x/{YYYY}-{MM}-{DD}/{HH}/*')",
  );
  assert.deepEqual([...new Set(found.map(({ by }) => by))], ['files_connector_name_key_key']);
  const role = await db.createRole();
  await db.query(`grant s3_connector_reader to ${role.name}`);
  const { rows } = await (await db.connect(role)).query(
    "select expected_from from s3_connector.find_gaps('long', 'x/{YYYY}-{MM}-{DD}/{HH}/*')",
  );
  assert.equal(rows.length, 19);
});
