import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld, type World } from '../support/world.ts';
import { readPages, sqlBlocks, statements, straySql } from './markdown.ts';
import { SETTINGS, type Setting } from './settings.ts';

const pages = await readPages();
const withSql = pages.filter((page) => sqlBlocks(page).length > 0);

test('all SQL in the docs is in blocks that are run, and each page with SQL has a test setup', () => {
  assert.deepEqual(pages.flatMap(straySql), []);
  assert.deepEqual(
    withSql.map(({ path }) => path),
    Object.keys(SETTINGS).sort(),
  );
});

for (const page of withSql) {
  test(`the SQL in ${page.path} runs unchanged, block by block`, async (t) => {
    const setting: Setting = SETTINGS[page.path]!;
    const world = await openWorld();
    await setting.prepare(world);
    const expected = new Map(setting.expect);
    try {
      for (const { line, sql, notRun } of sqlBlocks(page)) {
        if (notRun) {
          t.diagnostic(`${page.path}:${line} is not run: ${notRun}`);
          continue;
        }
        for (const statement of statements(sql)) {
          const rows = await run(world, statement, setting).catch((error: Error) => {
            throw new Error(`${page.path}:${line}: ${error.message}\n${statement}`, { cause: error });
          });
          for (const [part, look] of setting.expect) {
            if (!statement.includes(part) || !expected.delete(part)) continue;
            await look(rows, world);
          }
        }
        await allSettled(world);
      }
      await setting.atEnd?.(world);
      assert.deepEqual([...expected.keys()], [], 'statements that are no longer on the page');
    } finally {
      await setting.cleanUp?.(world);
    }
  });
}

async function run(
  { db }: World,
  statement: string,
  { administrator }: Setting,
): Promise<Record<string, unknown>[]> {
  if (!administrator?.test(statement)) return await db.query(statement);
  await db.asSuperuser(statement);
  return [];
}

/** Waits until every running connector has caught up with its bucket. */
async function allSettled(world: World): Promise<void> {
  const connectors = await world.db.query<{ name: string }>(
    "select name from s3_connector.connectors where state = 'running'",
  );
  for (const { name } of connectors) await world.settled(name);
}
