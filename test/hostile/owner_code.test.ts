import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import pg from 'pg';
import { openWorld } from '../support/world.ts';

// Code of a connector's owner runs in a session of the worker's login for imports, and may reset the role to that login.
const world = await openWorld();
const { db } = world;
let owner: pg.Client;
let ownerName: string;

before(async () => {
  const role = await db.createRole();
  ownerName = role.name;
  await db.asSuperuser(
    `grant s3_connector_admin to ${role.name}; grant create on schema public to ${role.name}`,
  );
  owner = await db.connect(role);
  // Runs statements with the role reset. Notes what each returns, or how it fails; a file's own rows are kept.
  await owner.query(`create table public.log (place text, statement text, outcome text);
    create function public.attack(place text, statements text[]) returns void language plpgsql as $$
    declare
      statement text;
      outcome text;
      self text := current_user;
    begin
      foreach statement in array statements loop
        begin
          reset role;
          if statement like 'select%' then
            execute 'select to_jsonb(a)::text from (' || statement || ') a limit 1' into outcome;
          else
            execute statement;
          end if;
          outcome := 'ok: ' || coalesce(outcome, 'no row');
        exception when others then
          outcome := sqlstate;
        end;
        execute format('set local role %I', self);
        insert into public.log values (place, statement, outcome);
      end loop;
    end $$`);
});

/** Imports a file whose trigger and on_import run the statements. Returns their outcomes. */
async function attack(name: string, statements: string[]): Promise<string[]> {
  await owner.query(`create table public.${name} (n integer);
    create table public.${name}_tries (statements text[]);
    create function public.${name}_trigger() returns trigger language plpgsql as $$
      begin perform public.attack('trigger', (select statements from public.${name}_tries)); return new; end $$;
    create trigger attack before insert on public.${name} for each row execute function public.${name}_trigger()`);
  await owner.query(`insert into public.${name}_tries values ($1)`, [statements]);
  world.put(`${name}/1.csv`, 'n\n1\n');
  await owner.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, on_import)
    values ($1, $2, $3, $1 || '/*', 'csv', 'public.' || $1, format('select public.attack(''on_import'', (select statements from public.%I))', $1 || '_tries'))`,
    [name, world.bucket, world.server.endpoint],
  );
  const [file] = await world.settled(name);
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  const { rows } = await owner.query(
    'select place, outcome from public.log where statement = any ($1) order by place desc, array_position($1, statement)',
    [statements],
  );
  assert.equal(rows.length, 2 * statements.length);
  return rows.map(({ place, outcome }) => `${place}: ${outcome}`);
}

test("with its role reset, an owner's code reads and changes nothing of the connector", async () => {
  await world.startWorker();
  await world.insertConnector({
    name: 'victim',
    pattern: 'victim/*',
    target_table: 'victim',
    state: 'paused',
  });
  const statements = [
    'select count(*) from s3_connector.connectors',
    'select count(*) from s3_connector.files',
    'select count(*) from s3_connector_private.import_secret',
    'select count(*) from s3_connector_private.workers',
    'select count(*) from s3_connector_queue._private_jobs',
    `select set_config('role', '${db.worker.name}', true)`,
    "select s3_connector.drop_connector('victim')",
    'select s3_connector_private.finish_attempt(0, 0, 0, 0, 0, 0)',
    "select s3_connector_private.import_token('attempt', 1)",
    "select s3_connector_private.queue_polls('{victim}')",
    'select s3_connector_private.renew_import_secret()',
    'select s3_connector_private.end_undo(1, 0)',
    'create table s3_connector_private.mine (n integer)',
  ];
  for (const outcome of await attack('curious', statements)) assert.match(outcome, /: 42501$/);
});

test("the owner's code cannot name a function as the login and execute it as the owner", async () => {
  // PostgreSQL checks usage on a schema when it parses, and execute on a function when it runs.
  await db.asSuperuser(
    `create schema mixed authorization ${ownerName}; grant create, usage on schema mixed to public`,
  );
  const outcomes = await attack('mixing', [
    'create function mixed.undo(id bigint) returns bigint language sql begin atomic select s3_connector_private.end_undo(id, 0); end',
    'create function mixed.again(c text, k text) returns bigint language sql begin atomic select s3_connector_private.queue_again(c, k, 0); end',
    'prepare mixed (bigint) as select s3_connector_private.end_undo($1, 0)',
    'create view mixed.secrets as select * from s3_connector_private.import_secret',
  ]);
  for (const outcome of outcomes) assert.match(outcome, /: 42501$/);
});

test('who sets on_import for an owner runs no code of the owner', async () => {
  await owner.query(`create function public.sly(bigint) returns integer language plpgsql immutable as $$
    begin perform set_config('sly.ran_as', current_user, false); return 1; end $$`);
  await owner.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state)
    values ('sly', 'some-bucket', 'sly/*', 'csv', 'public.sly', 'paused')`,
  );
  const admin = new pg.Client({ connectionString: db.superuserUrl });
  await admin.connect();
  try {
    for (const session of [
      'select',
      `set role ${ownerName}`,
      `reset role; set session authorization ${ownerName}`,
    ]) {
      await admin.query(session);
      await admin.query(
        "update s3_connector.connectors set on_import = 'select public.sly(1)' where name = 'sly'",
      );
      const { rows } = await admin.query("select nullif(current_setting('sly.ran_as', true), '') as ran_as");
      assert.deepEqual(rows, [{ ran_as: null }], session);
    }
  } finally {
    await admin.end();
  }
});

test('a row or an error that is too large fails its file, and the worker goes on', async () => {
  await owner.query(`create table public.large (n integer);
    create function public.complain() returns void language plpgsql as $$
      begin raise exception using message = repeat('x', 70000000); end $$`);
  for (const [name, statement] of [
    ['row', "select repeat('x', 70000000)"],
    ['error', 'select public.complain()'],
  ]) {
    world.put(`large_${name}/1.csv`, 'n\n1\n');
    await owner.query(
      `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, on_import)
      values ($1, $2, $3, $1 || '/*', 'csv', 'public.large', $4)`,
      [`large_${name}`, world.bucket, world.server.endpoint, statement],
    );
    const [file] = await world.settled(`large_${name}`);
    assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'message_too_large', 1]);
  }
  assert.deepEqual((await owner.query('select from public.large')).rows, []);
});

test('an error with a long misleading context fails its file, and the worker goes on', async () => {
  // PostgreSQL puts the statement into the context of the error. There, the worker looks for the place where COPY stopped.
  await owner.query(`create table public.misleading (n integer);
    create function public.mislead() returns trigger language plpgsql as $$
      begin execute '/*' || repeat('COPY ', 1000000) || '*/ select 1 / 0'; return null; end $$;
    create trigger mislead after insert on public.misleading for each row execute function public.mislead()`);
  world.put('misleading/1.csv', 'n\n1\n');
  await owner.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
    values ('misleading', $1, $2, 'misleading/*', 'csv', 'public.misleading')`,
    [world.bucket, world.server.endpoint],
  );
  const [file] = await world.settled('misleading');
  assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'sql_22012', 1]);
});

test('state functions refuse every token but that of the attempt, and no session shows one', async () => {
  const statements = [null, "''", "repeat('0', 64)", "encode(sha256('1'), 'hex')"].flatMap((token) => [
    `select s3_connector_import.record_success(1, 1, ${token}, 0, 0, 0, 0, false, null)`,
    `select s3_connector_import.reject_rows(1, 1, ${token}, '[{"line": 1, "reason": "made up", "raw": ""}]')`,
    `select s3_connector_import.begin_requested_undo(1, ${token})`,
    `select s3_connector_import.end_requested_undo(1, ${token}, 0)`,
  ]);
  const outcomes = await attack('guessing', statements);
  for (const outcome of outcomes) assert.match(outcome, /: S3C02$/);
  const seen = await attack('peeping', [
    // A token is 64 hexadecimal digits.
    "select count(*) from pg_stat_activity where query ~ '[0-9a-f]{64}'",
    "select count(*) from pg_prepared_statements where statement ~ 'record_success'",
    "select count(*) from pg_cursors where statement ~ '[0-9a-f]{64}'",
  ]);
  for (const outcome of seen) assert.match(outcome, /: ok: \{"count": 0\}$/);
});

test('the login for imports may call exactly the functions of s3_connector_import, and name no others', async () => {
  const called = await db.query<{ name: string }>(
    `select distinct p.proname as name from pg_proc p
    where p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_ask'::regnamespace, 's3_connector_private'::regnamespace, 's3_connector_import'::regnamespace)
      and has_function_privilege($1, p.oid, 'execute') order by 1`,
    [db.importer.name],
  );
  assert.deepEqual(
    called,
    await db.query(
      "select distinct proname as name from pg_proc where pronamespace = 's3_connector_import'::regnamespace order by 1",
    ),
  );
  assert.deepEqual(
    await db.query(
      `select nspname as name from pg_namespace
      where nspname like 's3\\_connector%' and has_schema_privilege($1, oid, 'usage')`,
      [db.importer.name],
    ),
    [{ name: 's3_connector_import' }],
  );
});

test('a worker takes only files of owners that its login for imports may become', async (t) => {
  const tenants = [await db.createRole(), await db.createRole()];
  const logins = [await db.createRole('noinherit'), await db.createRole('noinherit')];
  await world.stopWorkers();
  t.after(async () => {
    await world.stopWorkers();
    await world.startWorker();
  });
  for (const [n, tenant] of tenants.entries()) {
    await db.asSuperuser(`revoke ${tenant.name} from ${db.importer.name}; grant ${tenant.name} to ${logins[n]!.name};
      revoke ${logins[n]!.name} from ${db.importer.name};
      grant s3_connector_admin to ${tenant.name}; create schema tenant_${n} authorization ${tenant.name}`);
  }
  const start = (n: number) => {
    const { name, password } = logins[n]!;
    return world.startWorker({
      DATABASE_URL: db.workerUrl,
      IMPORT_DATABASE_URL: Object.assign(new URL(db.url), { username: name, password }).href,
    });
  };
  const workers = [await start(0), await start(1)];
  for (const [n, tenant] of tenants.entries()) {
    const client = await db.connect(tenant);
    await client.query(`create table tenant_${n}.seen (n integer, by text default session_user)`);
    for (let file = 0; file < 10; file++) world.put(`tenant_${n}/${file}.csv`, `n\n${file}\n`);
    await client.query(
      `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
      values ($1, $2, $3, $1 || '/*', 'csv', $1 || '.seen')`,
      [`tenant_${n}`, world.bucket, world.server.endpoint],
    );
  }
  for (const n of [0, 1]) {
    const files = await world.settled(`tenant_${n}`);
    assert.deepEqual(
      files.map(({ status, attempts }) => [status, attempts]),
      Array(10).fill(['success', 1]),
    );
    assert.deepEqual(
      await db.query(`select distinct r.by from jsonb_to_recordset($1::jsonb) as r (by text)`, [
        JSON.stringify((await (await db.connect(tenants[n]!)).query(`select by from tenant_${n}.seen`)).rows),
      ]),
      [{ by: logins[n]!.name }],
    );
  }
  // Its files wait for the tenant's own worker, and its status says so.
  await workers[1]!.end('SIGTERM');
  world.put('tenant_1/late.csv', 'n\n1\n');
  world.put('tenant_0/late.csv', 'n\n1\n');
  for (const n of [0, 1]) await db.query('select s3_connector.poll_now($1)', [`tenant_${n}`]);
  await db.waitFor(
    "select from s3_connector.files where key = 'tenant_0/late.csv' and status = 'success'",
    (rows) => rows.length === 1,
  );
  assert.match(
    (await world.notice('tenant_1')) ?? '',
    new RegExp(`no worker whose login for imports may act as the owner ${tenants[1]!.name} is alive`),
  );
  assert.equal(await world.notice('tenant_0'), null);
  // A worker that does not know this yet puts the file back, without an attempt.
  const late = "connector_name = 'tenant_1' and key = 'tenant_1/late.csv'";
  await db.query(`insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
    values ('tenant_1', 'tenant_1/late.csv', '"another version"', 4, now());
    select s3_connector_private.add_import_jobs(array(select id from s3_connector.files where ${late}))`);
  assert.deepEqual(
    await db.query(
      `select b.* from s3_connector.files f
      cross join s3_connector_private.begin_import(f.id, (select id from s3_connector.workers where alive)) b where ${late}`,
    ),
    [],
  );
  assert.deepEqual(
    await db.query(
      `select f.status, f.attempts, j.run_at > now() as later from s3_connector.files f
      join s3_connector_private.jobs() j on j.key = s3_connector_private.import_job_key(f.id)
      where f.connector_name = 'tenant_1' and f.key = 'tenant_1/late.csv'`,
    ),
    [{ status: 'in_queue', attempts: 0, later: true }],
  );
  await start(1);
  await world.pollAndSettle('tenant_1');
  assert.equal(await world.notice('tenant_1'), null);
  assert.deepEqual(
    await db.query("select status, attempts from s3_connector.files where key = 'tenant_1/late.csv'"),
    [{ status: 'success', attempts: 1 }],
  );
});

describe('undo_file by another role than the owner', () => {
  /** Imports one file of the owner, with the column for its id. */
  const imported = async (name: string, columns = 'n integer') => {
    await owner.query(`create table public.${name} (${columns}, file_id bigint)`);
    world.put(`${name}/1.csv`, 'n\n1\n2\n');
    await owner.query(
      `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, file_id_column)
      values ($1, $2, $3, $1 || '/*', 'csv', 'public.' || $1, 'file_id')`,
      [name, world.bucket, world.server.endpoint],
    );
    assert.equal((await world.settled(name))[0]!.status, 'success');
  };
  const untilStatus = (name: string, status: string) =>
    db.waitFor<{ status: string }>(
      'select status from s3_connector.files where connector_name = $1',
      ([file]) => file?.status === status,
      { values: [name] },
    );
  const asSuperuser = async (statement: string) => {
    const admin = await db.connectSuperuser();
    const notices: string[] = [];
    admin.on('notice', ({ message }) => notices.push(message ?? ''));
    const { rows } = await admin.query(statement);
    return { rows, notices };
  };

  test("a superuser's undo runs the owner's trigger as the owner, in a session of imports", async () => {
    await imported('guarded');
    await owner.query(`create table public.ran (by text, login text);
      create function public.note_delete() returns trigger language plpgsql as $$
        begin insert into public.ran values (current_user, session_user); return old; end $$;
      create trigger note_delete before delete on public.guarded for each row execute function public.note_delete()`);
    const { rows, notices } = await asSuperuser(
      "select s3_connector.undo_file('guarded', 'guarded/1.csv') as deleted",
    );
    assert.deepEqual(rows, [{ deleted: null }]);
    assert.match(notices[0]!, new RegExp(`a worker deletes the rows as ${ownerName}`));
    await untilStatus('guarded', 'undone');
    assert.deepEqual((await owner.query('select distinct by, login from public.ran')).rows, [
      { by: ownerName, login: db.importer.name },
    ]);
    assert.deepEqual((await owner.query('select from public.guarded')).rows, []);
    const [last] = await db.query(
      "select to_status, message from s3_connector.file_history where key = 'guarded/1.csv' order by at desc limit 1",
    );
    assert.deepEqual(last, { to_status: 'undone', message: '2 rows deleted' });
  });

  test('reimport_file deletes the rows and imports the file again', async () => {
    await imported('again');
    world.put('again/1.csv', 'n\n3\n');
    await asSuperuser("select s3_connector.reimport_file('again', 'again/1.csv')");
    await db.waitFor(
      "select rows_imported from s3_connector.files where key = 'again/1.csv' and status = 'success'",
      ([row]) => row?.rows_imported === 1,
    );
    assert.deepEqual((await owner.query('select n from public.again')).rows, [{ n: 3 }]);
  });

  test('a view in the place of the table redirects nothing; the renamed table is found', async () => {
    await imported('moved');
    await owner.query(`alter table public.moved rename to moved_away;
      create table public.precious (n integer, file_id bigint);
      insert into public.precious select n, file_id from public.moved_away;
      create view public.moved as select * from public.precious`);
    await asSuperuser("select s3_connector.undo_file('moved', 'moved/1.csv')");
    await untilStatus('moved', 'undone');
    assert.deepEqual((await owner.query('select from public.precious')).rows.length, 2);
    assert.deepEqual((await owner.query('select from public.moved_away')).rows, []);
  });

  test('if the table was dropped and a view has its name, the undo fails and says so; the file stays imported', async () => {
    await imported('replaced');
    await owner.query(`create table public.kept as select * from public.replaced; drop table public.replaced;
      create view public.replaced as select * from public.kept`);
    await assert.rejects(owner.query("select s3_connector.undo_file('replaced', 'replaced/1.csv')"), {
      code: '42809',
      message: /public\.replaced is not a table/,
    });
    await asSuperuser("select s3_connector.undo_file('replaced', 'replaced/1.csv')");
    const [file] = await db.waitFor<{ status: string; error_message: string | null }>(
      "select status, error_message from s3_connector.files where connector_name = 'replaced'",
      ([row]) => row?.error_message != null,
    );
    assert.equal(file!.status, 'success');
    assert.match(file!.error_message!, /public\.replaced is not a table.*Give the table its name back/);
    assert.equal((await owner.query('select from public.kept')).rows.length, 2);
    const [last] = await db.query<{ message: string }>(
      "select message from s3_connector.file_history where connector_name = 'replaced' order by at desc limit 1",
    );
    assert.match(last!.message, /^not undone: sql_42809: /);
  });

  test('without a worker that may act as the owner it is refused, with the missing grant', async () => {
    const stranger = await db.createRole();
    await imported('revoked');
    // The person, whom imports may become too, is a member.
    await db.asSuperuser(`revoke ${ownerName} from ${db.importer.name}, ${db.person.name}`);
    await assert.rejects(asSuperuser("select s3_connector.undo_file('revoked', 'revoked/1.csv')"), {
      code: '42501',
      hint: `Run: grant ${ownerName} to ${db.importer.name};`,
    });
    await db.asSuperuser(`grant ${ownerName} to ${db.importer.name}`);
    // Nor does a role undo without the operator's rights.
    const client = await db.connect(stranger);
    await assert.rejects(client.query("select s3_connector.undo_file('revoked', 'revoked/1.csv')"), {
      code: '42501',
    });
  });
});
