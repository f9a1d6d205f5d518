import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';

// Each stall of a reader takes a place from all other files for READER_STALL_SECONDS.

const world = await openWorld();
const { db } = world;

await world.insertConnector({
  name: 'slow',
  pattern: 'slow/*',
  file_format: 'parquet',
  target_table: 'slow',
});
const { id } = await db.one<{ id: string }>(
  `insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
    values ('slow', 'slow/1', 'e', 1, now(), 'in_queue') returning id`,
);

/** Begins an attempt and makes it fail; returns the file's status after that. */
async function failWith(code: string): Promise<string> {
  // The table exists, and no other file waits.
  await db.query("update s3_connector_private.progress set table_ready = true where connector_name = 'slow'");
  await db.query(
    "update s3_connector.files set status = 'in_queue', next_attempt_at = null where id = $1 and status = 'pending_retry'",
    [id],
  );
  const { attempt } = await db.one<{ attempt: string }>(
    "select attempt_id as attempt from s3_connector_private.start_attempt($1, null, '{}')",
    [id],
  );
  const { status } = await db.one<{ status: string }>(
    "select s3_connector_private.fail_attempt($1, $2, $3, 'what happened', true) as status",
    [id, attempt, code],
  );
  return status;
}

test('a reader that stalls twice on a file fails it, with or without other events in between', async () => {
  assert.equal(await failWith('reader_stalled'), 'pending_retry');
  assert.equal(await failWith('connection_lost'), 'pending_retry');
  assert.equal(await failWith('reader_stalled'), 'failure');
});

test('a file that a person retries may stall once more', async () => {
  await db.query("select s3_connector.retry('slow')");
  assert.equal(await failWith('reader_stalled'), 'pending_retry');
  assert.equal(await failWith('reader_stalled'), 'failure');
});
