import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type pg from 'pg';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const csv = (from: number, rows: number) =>
  `n\n${Array.from({ length: rows }, (_, n) => from + n).join('\n')}\n`;
const undo = async (name: string, key: string) =>
  (await db.one<{ deleted: number }>('select s3_connector.undo_file($1, $2) as deleted', [name, key]))
    .deleted;
const reimport = async (name: string, key: string) =>
  (await db.one<{ deleted: number }>('select s3_connector.reimport_file($1, $2) as deleted', [name, key]))
    .deleted;
const numbers = async (table: string) =>
  (await db.query<{ n: number }>(`select n from ${table} order by n`)).map((row) => row.n);

/** Two imported files with rows 1 2 3 and 11 12. */
async function imported(name: string, columns: Record<string, unknown> = {}): Promise<void> {
  await db.query(`create table if not exists ${name} (n integer, file_id bigint)`);
  world.put(`${name}/1.csv`, csv(1, 3));
  world.put(`${name}/2.csv`, csv(11, 2));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
    ...columns,
  });
  const files = await world.settled(name);
  assert.deepEqual(
    files.map((file) => file.status),
    ['success', 'success'],
    files[0]?.error_message ?? '',
  );
}

test('undo deletes the rows of one file, and its counts', async () => {
  await imported('undone');
  assert.equal(await undo('undone', 'undone/1.csv'), 3);
  assert.deepEqual(await numbers('undone'), [11, 12]);
  const files = await db.query(
    'select status, rows_read, rows_imported, finished_at is not null as ended from s3_connector.files where connector_name = $1 order by key',
    ['undone'],
  );
  assert.deepEqual(files, [
    { status: 'undone', rows_read: null, rows_imported: null, ended: true },
    { status: 'success', rows_read: 2, rows_imported: 2, ended: true },
  ]);
  assert.deepEqual(
    await db.one(
      "select success, undone, rows_total from s3_connector.connector_status where name = 'undone'",
    ),
    { success: 1, undone: 1, rows_total: 2 },
  );
  const [last] = await db.query(
    "select from_status, to_status, message from s3_connector.file_history where connector_name = 'undone' and key = 'undone/1.csv' order by at desc limit 1",
  );
  assert.deepEqual(last, { from_status: 'success', to_status: 'undone', message: '3 rows deleted' });

  assert.equal(await undo('undone', 'undone/1.csv'), 0, 'safe to call twice');
  assert.deepEqual(await numbers('undone'), [11, 12]);
  await db.query("select s3_connector.retry_file('undone', 'undone/1.csv')");
  await world.settled('undone');
  assert.deepEqual(await numbers('undone'), [1, 2, 3, 11, 12]);
});

test('undo is part of the transaction of its caller', async () => {
  await imported('rolled_back');
  await db.query("begin; select s3_connector.undo_file('rolled_back', 'rolled_back/1.csv'); rollback");
  assert.deepEqual(await numbers('rolled_back'), [1, 2, 3, 11, 12]);
  const [file] = await world.settled('rolled_back');
  assert.equal(file!.status, 'success');
});

test('reimport imports the current version of the object', async () => {
  await imported('reimported');
  world.put('reimported/1.csv', csv(101, 4));
  assert.equal(await reimport('reimported', 'reimported/1.csv'), 3);
  await world.settled('reimported');
  assert.deepEqual(await numbers('reimported'), [11, 12, 101, 102, 103, 104]);

  await undo('reimported', 'reimported/2.csv');
  assert.equal(await reimport('reimported', 'reimported/2.csv'), 0, 'undone already: only imported');
  await world.settled('reimported');
  assert.deepEqual(await numbers('reimported'), [11, 12, 101, 102, 103, 104]);
  await assert.rejects(db.query("select s3_connector.retry_file('reimported', 'reimported/1.csv')"), {
    code: '55000',
    hint: /reimport_file/,
  });
});

test('reimport of a waiting file changes nothing, and of a running one is refused', async () => {
  await imported('waiting', { max_parallel_files: 1 });
  const fault = server.faults.order({ operation: 'GetObject', key: 'waiting/1.csv', stall: { after: 3 } });
  await reimport('waiting', 'waiting/1.csv');
  await fault.hit();
  await reimport('waiting', 'waiting/2.csv');
  await reimport('waiting', 'waiting/2.csv');
  await assert.rejects(reimport('waiting', 'waiting/1.csv'), { code: '55006', hint: /cancel_file/ });
  fault.release();
  await world.settled('waiting');
  assert.deepEqual(await numbers('waiting'), [1, 2, 3, 11, 12]);
  await db.query("select s3_connector.pause('waiting')");
  await reimport('waiting', 'waiting/1.csv');
  assert.deepEqual(
    (await world.settled('waiting')).map((file) => file.status),
    ['paused', 'success'],
  );
});

test('an undo that is not possible says why', async () => {
  await db.query('create table why (n integer, file_id bigint)');
  await imported('why', { file_id_column: null });
  const noLineage = { code: '55000', message: /without file_id_column/ };
  await assert.rejects(undo('why', 'why/1.csv'), noLineage);
  // A file's rows are known only by the column that was set when it was imported.
  await db.query("select s3_connector.pause('why')");
  await db.query("update s3_connector.connectors set file_id_column = 'file_id' where name = 'why'");
  await assert.rejects(reimport('why', 'why/1.csv'), noLineage);
  await assert.rejects(undo('why', 'why/3.csv'), { code: '42704', hint: /'why\/2.csv'/ });
  await assert.rejects(undo('whynot', 'why/3.csv'), { code: '42704', hint: /'why'/ });

  world.put('why/3.csv', csv(31, 1));
  await db.query("select s3_connector.resume('why')");
  await world.settled('why');
  assert.equal(await undo('why', 'why/3.csv'), 1);
  world.put('why/4.csv', 'no such column\n1\n');
  await world.pollAndSettle('why');
  await assert.rejects(undo('why', 'why/4.csv'), { code: '55000', message: /not imported.*failure/ });

  await reimport('why', 'why/3.csv');
  await world.settled('why');
  await db.query('alter table why drop column file_id');
  await assert.rejects(undo('why', 'why/3.csv'), { code: '42703', message: /no column file_id any more/ });
  await db.query('drop table why');
  await assert.rejects(undo('why', 'why/3.csv'), { code: '42P01', message: /no table public.why any more/ });
});

test('names may need quotes, and the column may have another type', async () => {
  await db.query(
    'create schema "Odd Schema"; create table "Odd Schema"."Odd""Table" (n integer, "file id" text)',
  );
  world.put('odd/1.csv', csv(1, 3));
  await world.insertConnector({
    name: 'odd',
    pattern: 'odd/*',
    target_table: '"Odd Schema"."Odd""Table"',
    file_id_column: 'file id',
  });
  await world.settled('odd');
  assert.equal(await undo('odd', 'odd/1.csv'), 3);
});

test('rows are deleted from the table that they were imported into, although the connector has another one now', async () => {
  await imported('moved');
  await db.query("create table moved_here (n integer, id bigint); select s3_connector.pause('moved')");
  await db.query(
    "update s3_connector.connectors set target_table = 'moved_here', file_id_column = 'id' where name = 'moved'",
  );
  await db.query("select s3_connector.resume('moved')");
  assert.equal(await reimport('moved', 'moved/1.csv'), 3);
  await world.settled('moved');
  assert.deepEqual(await numbers('moved'), [11, 12]);
  assert.deepEqual(await numbers('moved_here'), [1, 2, 3]);
  assert.equal(await undo('moved', 'moved/1.csv'), 3);
  assert.deepEqual(await numbers('moved_here'), []);
});

test('a file that had no rows, so that no table was made, can be undone and imported again', async () => {
  world.put('tableless/1.csv', 'n\n');
  await world.insertConnector({
    name: 'tableless',
    pattern: 'tableless/*',
    target_table: 'tableless',
    file_id_column: 'file_id',
  });
  const [file] = await world.settled('tableless');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.equal(await undo('tableless', 'tableless/1.csv'), 0);
  world.put('tableless/1.csv', csv(1, 3));
  await db.query("select s3_connector.reimport_file('tableless', 'tableless/1.csv')");
  const [again] = await world.settled('tableless');
  assert.deepEqual([again!.status, again!.rows_imported], ['success', 3], again!.error_message ?? '');
});

test('rejected rows are deleted, too', async () => {
  await db.query('create table rejecting (n integer, file_id bigint)');
  world.put('rejecting/1.csv', 'n\n1\nx\n3\n');
  await world.insertConnector({
    name: 'rejecting',
    pattern: 'rejecting/*',
    target_table: 'rejecting',
    file_id_column: 'file_id',
    on_bad_row: 'skip',
  });
  await world.settled('rejecting');
  const rejected = () =>
    db.query("select line from s3_connector.rejected_rows where connector_name = 'rejecting'");
  assert.equal((await rejected()).length, 1);
  await undo('rejecting', 'rejecting/1.csv');
  assert.equal((await rejected()).length, 0);
  await reimport('rejecting', 'rejecting/1.csv');
  await world.settled('rejecting');
  assert.equal((await rejected()).length, 1);
});

describe("rows are deleted as the connector's owner", () => {
  let owner: { name: string; password: string };
  let caller: { name: string; password: string };
  let session: pg.Client;
  let owners: pg.Client;
  const who = async () =>
    (await db.query<{ who: string }>('select distinct who from deletions')).map((row) => row.who);
  const undoAs = async (client: pg.Client, key: string) => {
    await db.query('truncate deletions');
    return await client.query('select s3_connector.undo_file($1, $2) as deleted', ['owned', `owned/${key}`]);
  };
  const untilUndone = () =>
    db.waitFor(
      "select from s3_connector.files where key = 'owned/1.csv' and status = 'undone'",
      (rows) => rows.length === 1,
    );
  const redo = async () => {
    await owners.query("select s3_connector.reimport_file('owned', 'owned/1.csv')");
    const [file] = await world.settled('owned');
    assert.equal(file!.status, 'success', file!.error_message ?? '');
  };

  before(async () => {
    [owner, caller] = [await db.createRole(), await db.createRole()];
    session = await db.connect(caller);
    owners = await db.connect(owner);
    await db.query('create table owned (n integer, file_id bigint)');
    await db.asSuperuser(`alter table owned owner to ${owner.name}`);
    await db.query(`create table deletions (who name);
      grant insert on deletions to public;
      create function note_deletion() returns trigger language plpgsql as
        $$ begin insert into deletions values (current_user); return old; end $$;
      create trigger note after delete on owned for each row execute function note_deletion();
      -- What an operator may do, and the table's rights too.
      grant s3_connector_operator to ${caller.name}, ${owner.name};
      grant select, delete on owned to ${caller.name}`);
    await imported('owned');
    await db.asSuperuser(
      'set session_replication_role = replica; update s3_connector.connectors set owner = $$' +
        `${owner.name}$$ where name = 'owned'; reset session_replication_role`,
    );
  });

  test("in the owner's session, at once", async () => {
    assert.equal((await undoAs(owners, '1.csv')).rows[0].deleted, 3);
    assert.deepEqual(await who(), [owner.name]);
    await redo();
  });

  test("in the owner's session also if it has taken another role, which is restored", async () => {
    const other = await db.createRole();
    await db.query(`grant ${other.name} to ${owner.name}; grant s3_connector_operator to ${other.name}`);
    await owners.query(`set role ${other.name}`);
    assert.equal((await undoAs(owners, '1.csv')).rows[0].deleted, 3);
    assert.equal((await owners.query('select current_user as me')).rows[0].me, other.name);
    await owners.query('reset role');
    assert.deepEqual(await who(), [owner.name]);
    await redo();
  });

  test('by a worker for any other caller, also for one with more rights', async () => {
    await db.query(`grant ${owner.name} to ${caller.name}`);
    assert.equal((await undoAs(session, '1.csv')).rows[0].deleted, null);
    await untilUndone();
    assert.deepEqual(await who(), [owner.name]);
    await redo();
  });

  test('by a worker also if a security definer function calls', async () => {
    await db.query(`create function undo_for_all(key text) returns bigint language sql security definer
      as $$ select s3_connector.undo_file('owned', key) $$`);
    await db.query('truncate deletions');
    await owners.query("select undo_for_all('owned/1.csv')");
    await untilUndone();
    assert.deepEqual(await who(), [owner.name]);
    await redo();
  });

  test('by no direct call of the private functions behind it', async () => {
    for (const call of [
      "begin_undo('owned', 'owned/1.csv', false)",
      'end_undo(1, 0)',
      "queue_again('owned', 'owned/1.csv', 0)",
      "ask_undo('undo_file', 'owned', 'owned/1.csv', 'me')",
    ]) {
      await assert.rejects(session.query(`select s3_connector_private.${call}`), { code: '42501' });
    }
  });

  test("not if the owner may not delete, which the error says; a worker's error is in the file", async () => {
    await owners.query(`revoke delete on owned from ${owner.name}`);
    await assert.rejects(undoAs(owners, '1.csv'), {
      code: '42501',
      hint: `Run: grant select, delete on public.owned to ${owner.name}; Then try again.`,
    });
    await undoAs(session, '1.csv');
    const [file] = await db.waitFor<{ status: string; error_code: string; error_message: string }>(
      "select status, error_code, error_message from s3_connector.files where key = 'owned/1.csv'",
      ([row]) => row?.error_code != null,
    );
    assert.deepEqual([file!.status, file!.error_code], ['success', 'permission_denied']);
    assert.match(file!.error_message, /public\.owned was refused.*grant select, delete on public\.owned/);
    assert.deepEqual(await numbers('owned'), [1, 2, 3, 11, 12]);
    await owners.query(`grant delete on owned to ${owner.name}`);
    // The error is gone with the next try.
    await undoAs(session, '1.csv');
    await untilUndone();
    assert.deepEqual(await db.one("select error_message from s3_connector.files where key = 'owned/1.csv'"), {
      error_message: null,
    });
    await redo();
  });

  test("or not at all, and the owner's role is restored after an error", async () => {
    await db.query(
      'create function forbid() returns trigger language plpgsql as $$ begin raise exception $m$no$m$; end $$',
    );
    await db.query('create trigger forbid before delete on owned for each row execute function forbid()');
    await owners.query('begin');
    await owners.query(`do $$ begin
        perform s3_connector.undo_file('owned', 'owned/1.csv');
      exception when raise_exception then
        if current_user <> session_user then raise 'still %', current_user; end if;
      end $$`);
    await owners.query('commit');
    await db.query('drop trigger forbid on owned');
    assert.deepEqual(await numbers('owned'), [1, 2, 3, 11, 12]);
  });
});
