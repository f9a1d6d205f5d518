import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from '../../src/glob.ts';
import { nextRun, SCHEDULE_NAMES } from '../../src/schedule.ts';
import { testDatabase } from '../support/database.ts';

// SQL checks globs and schedules at the insert, and TypeScript reads them at the poll. TypeScript must be able to read
// every one that SQL accepts.
const db = await testDatabase();

/** The same texts in every run. */
function* texts(parts: string[], count: number, longest: number): Generator<string> {
  let seed = 20260101;
  const below = (limit: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((seed / 0x80000000) * limit);
  };
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: 1 + below(longest) }, () => parts[below(parts.length)]).join('');
  }
}

const globFaults = async (patterns: string[]) => {
  const rows = await db.query<{ pattern: string; fault: string | null }>(
    'select pattern, s3_connector_private.glob_fault(pattern) as fault from unnest($1::text[]) pattern',
    [patterns],
  );
  return new Map(rows.map((row) => [row.pattern, row.fault]));
};

test('every glob that SQL accepts compiles', async () => {
  const parts = [
    '[',
    ']',
    '{',
    '}',
    ',',
    '.',
    '..',
    '\\',
    '^',
    '!',
    '-',
    'a',
    'b',
    'z',
    '*',
    '**',
    '/',
    '?',
    '😀',
    'é',
    '(',
    '+',
  ];
  const faults = await globFaults([...new Set(texts(parts, 20_000, 12))]);
  const passed = [...faults].filter(([, fault]) => fault === null).map(([pattern]) => pattern);
  assert.ok(passed.length > 2000 && passed.length < faults.size - 2000, `${passed.length} of ${faults.size}`);
  for (const pattern of passed) assert.doesNotThrow(() => compileGlob(pattern), JSON.stringify(pattern));
  assert.ok(
    passed.some((pattern) => /\{.*,.*\}/.test(pattern)) && passed.some((pattern) => /\[.*\]/.test(pattern)),
  );
});

test('SQL accepts valid globs, and says why it refuses others', async () => {
  const good = [
    'data/*',
    'data/',
    '**',
    'a/{b,c/{d,e}}/*.csv',
    '[a-z][!0-9][^x][😀]',
    'a\\{b',
    'x/[-a]/[a-]',
    '{,a}b',
    'a,b.c',
  ];
  const bad: Record<string, RegExp> = {
    '[a': /close every/,
    '{a,b': /close every/,
    'a}': /open every/,
    '{a}': /commas/,
    '{1..3}': /ranges/,
    '[]': /characters between/,
    '[!]': /characters between/,
    '[a/b]': /slash/,
    '[z-a]': /z-a/,
    'a\\': /backslash/,
  };
  const faults = await globFaults([...good, ...Object.keys(bad)]);
  for (const pattern of good) assert.equal(faults.get(pattern), null, pattern);
  for (const [pattern, says] of Object.entries(bad))
    assert.match(faults.get(pattern) ?? 'passed', says, pattern);
});

test('every schedule that SQL accepts has a next run', async () => {
  const [{ names } = { names: [] }] = await db.query<{ names: string[] }>(
    'select s3_connector_private.schedule_names() as names',
  );
  assert.deepEqual(names, SCHEDULE_NAMES);
  const fields = [
    ...texts(
      ['*', '0', '1', '2', '5', '7', '31', '59', '-', ',', '/', 'jan', 'feb', 'mon', 'SUN', '?', 'L', '#'],
      4000,
      5,
    ),
  ];
  const schedules = fields.flatMap((field, i) =>
    ['* * * *'.split(' ')].flatMap((rest) => [rest.toSpliced(i % 5, 0, field).join(' ')]),
  );
  schedules.push(...names);
  for (let day = 28; day <= 31; day++)
    for (const month of ['*', '2', 'feb,4', '4,6', '*/2'])
      schedules.push(`0 0 ${day} ${month} *`, `0 0 ${day} ${month} 1`);
  const rows = await db.query<{ schedule: string; valid: boolean; due: boolean | null }>(
    `select schedule, valid, case when valid then s3_connector_private.is_ever_due(schedule) end as due
    from unnest($1::text[]) schedule, s3_connector_private.is_schedule(schedule) valid`,
    [schedules],
  );
  const passed = rows.filter((row) => row.valid);
  assert.ok(passed.length > 300 && passed.length < rows.length - 300, `${passed.length} of ${rows.length}`);
  for (const { schedule, due } of passed) {
    assert.equal(nextRun(schedule, new Date('2026-01-01T00:00:00Z')) !== null, due, schedule);
  }
  assert.ok(passed.some((row) => row.due === false));
});

test('SQL accepts usual schedules, and refuses those that croner refuses', async () => {
  const good = [
    ...SCHEDULE_NAMES,
    '*/5 * * * *',
    '0 6 * * 1',
    '0,30 8-18/2 1-7 * 1-5',
    '0 0 * jan-mar mon-sun',
    '15 3 29 2 *',
    '0 0 * * 7',
  ];
  const bad = [
    '5/10 * * * *',
    '*/99 * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '9-5 * * * *',
    '* * * *',
    '* * * * * *',
    '',
    'daily',
    '@Daily',
    '@midnight',
    '@annually',
    '@reboot',
    '@daily 1 * * *',
    'minute ',
    '*/0 * * * *',
    ', * * * *',
  ];
  for (const [schedules, expected] of [
    [good, true],
    [bad, false],
  ] as const) {
    const rows = await db.query<{ schedule: string }>(
      'select schedule from unnest($1::text[]) schedule where s3_connector_private.is_schedule(schedule) is distinct from $2',
      [schedules, expected],
    );
    assert.deepEqual(rows, []);
  }
});
