import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convertValue, type EpochUnit, type FieldOrder } from '../../src/formats/csv/normalize/values.ts';
import { pick, seeded } from '../support/random.ts';
import { openWorld } from '../support/world.ts';

// PostgreSQL reads a converted value as it reads the original with its own settings, or refuses it.

const world = await openWorld();
const TYPES = ['date', 'timestamp', 'timestamptz'];

/** What PostgreSQL makes of each text; null if it refuses it. */
async function readAll(texts: string[], type: string, style: string): Promise<(string | null)[]> {
  const client = await world.db.connect();
  await client.query(`set datestyle to '${style}'; set timezone to 'Europe/Berlin'`);
  const { rows } = await client.query<{ read: string | null }>(
    `select case when pg_input_is_valid(t, $2) then to_json(t::${type})::text end as read
      from unnest($1::text[]) with ordinality u (t, n) order by n`,
    [texts, type],
  );
  await client.end();
  return rows.map(({ read }) => read);
}

for (const order of ['DMY', 'MDY', 'YMD'] as FieldOrder[]) {
  test(`dates in the order ${order} are PostgreSQL's with that DateStyle`, async () => {
    const random = seeded(7);
    const part = () =>
      pick(random, [
        '1',
        '01',
        '3',
        '12',
        '13',
        '31',
        '32',
        '0',
        '00',
        '69',
        '70',
        '99',
        '100',
        '999',
        '2026',
        '02026',
        '12026',
      ]);
    const texts = Array.from({ length: 20_000 }, () => {
      const by = pick(random, ['.', '/', '-']);
      const other = random(20) === 0 ? pick(random, ['.', '/', '-', ' ']) : by;
      const rest = pick(random, [
        '',
        '',
        ' ',
        ' 10:30',
        'T10:30:05.5',
        ' 1:02 PM',
        ' 10:30+03',
        ' 10:30 BC',
        ' BC',
        '.5',
        '-03',
        '+03',
        ':30',
        ' 24:00',
        ' Europe/Paris',
        ' x',
        '-1',
        ' 2',
        '/2',
      ]);
      return `${pick(random, ['', '', ' '])}${part()}${by}${part()}${other}${part()}${rest}`;
    });
    for (const type of TYPES) {
      const converted = texts.map((text) => convertValue(text, { what: 'time', format: order }));
      const ours = await readAll(converted, type, 'ISO, MDY');
      const theirs = await readAll(texts, type, `ISO, ${order}`);
      const wrong = texts.flatMap((original, i) =>
        ours[i] !== null && ours[i] !== theirs[i]
          ? [{ original, converted: converted[i], ours: ours[i], theirs: theirs[i] }]
          : [],
      );
      assert.deepEqual(wrong, []);
    }
  });
}

test('seconds since 1970, and parts of them, are those of PostgreSQL', async () => {
  const random = seeded(3);
  const units: Record<EpochUnit, number> = { epoch: 0, epoch_ms: 3, epoch_us: 6, epoch_ns: 9 };
  const client = await world.db.connect();
  await client.query("set timezone to 'UTC'");
  for (const [unit, digits] of Object.entries(units)) {
    const values = Array.from({ length: 3000 }, () => {
      const whole = Array.from({ length: 1 + random(12 + digits) }, () => random(10)).join('');
      const fraction = pick(random, [
        '',
        '',
        '.',
        '.5',
        '.000001',
        '.0000005',
        '.0000004',
        '.9999995',
        '.123456789',
      ]);
      return `${pick(random, ['', '', '-', '+'])}${whole}${fraction}`;
    });
    const converted = values.map((value) => convertValue(value, { what: 'time', format: unit as EpochUnit }));
    const { rows } = await client.query(
      `select v, c, case when pg_input_is_valid(c, 'timestamptz') then c::timestamptz::text end as ours,
          case when s between -210866803200 and 9224318015999 then
            (timestamptz 'epoch' + make_interval(days => div(s, 86400)::int) + (round(mod(s, 86400) * 1000000)::text || ' us')::interval)::text end as theirs
        from (select v, c, n, v::numeric * (10::numeric ^ -$3::int) as s from unnest($1::text[], $2::text[]) with ordinality u (v, c, n)) t
        order by n`,
      [values, converted, digits],
    );
    const wrong = rows.filter(({ ours, theirs }) => ours !== null && ours !== theirs);
    assert.deepEqual(wrong.slice(0, 3), []);
    const taken = rows.filter(({ ours }) => ours !== null).length;
    assert.ok(taken > values.length / 2, `${unit}: ${taken} taken`);
  }
  await client.end();
});
