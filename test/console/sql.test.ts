import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html, link } from '../../console/html.ts';
import { containing } from '../../console/parts/search.ts';
import { identifier, joined, show, sql } from '../../console/sql.ts';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();
const HARD = ["it's", 'back\\slash', '"quoted"', '$1', 'a;b--c', 'ü\n\t', ''];

test('the statement that is shown means the same to PostgreSQL as the one that runs', async () => {
  for (const hard of HARD) {
    const statement = sql`select ${hard}::text as a, ${null}::text as b, ${[hard, 'x']}::text[] as c, ${7} + 1 as d, ${true}::boolean as e`;
    const run = await db.query(statement.text, [...statement.values]);
    assert.deepEqual(run, [{ a: hard, b: null, c: [hard, 'x'], d: 8, e: true }]);
    assert.deepEqual(await db.query(statement.shown), run);
  }
});

test('nested statements keep their values in order', () => {
  const where = joined([sql`a = ${1}`, sql`b = ${2}`], ' and ');
  const statement = sql`select ${0} from ${identifier('Strange "t"')} where ${where} and c = ${3}`;
  assert.equal(statement.text, 'select $1 from "Strange ""t""" where a = $2 and b = $3 and c = $4');
  assert.deepEqual(statement.values, [0, 1, 2, 3]);
});

test('statements of one transaction are shown as one, and a call is shown alone', () => {
  const shown = show([sql`select 1`, sql`select 2`, sql`call p(${'x'})`]);
  assert.equal(shown, "begin;\nselect 1;\nselect 2;\ncommit;\ncall p('x');");
});

test('every value in a template is escaped, unless a template made it', () => {
  const evil = '<script>"&\'</script>';
  const escaped = '&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;';
  assert.equal(
    html`<p title="${evil}">${[html`<b>${evil}</b>`, evil]}${false}${null}</p>`.text,
    `<p title="${escaped}"><b>${escaped}</b>${escaped}</p>`,
  );
  assert.equal(
    link('/file', { name: 'a&b', key: 'x/ü?', none: undefined }),
    '/file?name=a%26b&key=x%2F%C3%BC%3F',
  );
});

test('a search finds parts of names, with * and ? as wildcards', async () => {
  const found = async (search: string) =>
    (
      await db.query<{ name: string }>(
        "select name from unnest(array['data/1.csv', 'data/100%.csv', 'a_b', 'axb']) name where name like $1",
        [containing(search)],
      )
    ).map(({ name }) => name);
  assert.deepEqual(await found('100%'), ['data/100%.csv']);
  assert.deepEqual(await found('a_b'), ['a_b']);
  assert.deepEqual(await found('a?b'), ['a_b', 'axb']);
  assert.deepEqual(await found('data/*'), ['data/1.csv', 'data/100%.csv']);
  assert.deepEqual(await found('*1.csv'), ['data/1.csv']);
});
