import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { testDatabase } from '../support/database.ts';

// The group roles belong to the server and other tests use them too: only roles of this file are added to them.
const db = await testDatabase();

const GROUPS = ['s3_connector_reader', 's3_connector_operator', 's3_connector_admin'] as const;
type Who = 'nobody' | 'reader' | 'operator' | 'admin';
const clients = {} as Record<Who, pg.Client>;
const names = {} as Record<Who, string>;

before(async () => {
  for (const who of ['nobody', 'reader', 'operator', 'admin'] as const) {
    const role = await db.createRole();
    if (who !== 'nobody') await db.query(`grant s3_connector_${who} to ${role.name}`);
    names[who] = role.name;
    clients[who] = await db.connect(role);
  }
  await db.query(insertOf('shared'));
  await db.query(
    `select s3_connector_private.commit_poll('shared', null, null, $1, null, false, now(), now(), 1, 1, 1)`,
    [JSON.stringify([{ key: 'a/1', etag: '"x"', size_bytes: 1, last_modified: '2026-01-01' }])],
  );
});

const insertOf = (name: string, extra = '') =>
  `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table${extra && ', owner'})
   values ('${name}', 'some-bucket', 'a/**', 'csv', 't'${extra})`;
const may = (who: Who, sql: string) => clients[who].query(sql);
const mayNot = (who: Who, sql: string, message = /permission denied/) =>
  assert.rejects(clients[who].query(sql), { code: '42501', message }, `${who}: ${sql}`);
const ownerOf = async (name: string) =>
  (await db.one<{ owner: string }>('select owner from s3_connector.connectors where name = $1', [name]))
    .owner;

const relations = await db.query<{ name: string }>(
  "select relname as name from pg_class where relnamespace = 's3_connector'::regnamespace and relkind in ('r', 'v') order by 1",
);
const routines = await db.query<{ schema: string; name: string; call: string }>(`
  select n.nspname as schema, p.proname as name, format('%s %s(%s)', case p.prokind when 'p' then 'call' else 'select' end, p.oid::regproc, (
    select string_agg('null::' || format_type(t, null), ', ' order by i) from unnest(p.proargtypes) with ordinality u (t, i)
  )) as call
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import') and p.prorettype <> 'trigger'::regtype`);
const steering = routines.filter((routine) => /^s3_connector(_ask)?$/.test(routine.schema));
/** Calls that only read. */
const looking = ['find_gaps'];
const internal = routines.filter((routine) => routine.schema === 's3_connector_private');

describe('a role in no group', () => {
  test('sees nothing and can call nothing', async () => {
    assert.ok(relations.length >= 13 && steering.length >= 8 && internal.length >= 30);
    for (const { name } of relations) await mayNot('nobody', `select from s3_connector.${name}`);
    for (const { call } of [...steering, ...internal]) await mayNot('nobody', call);
    await mayNot('nobody', insertOf('x'));
  });

  test('has no access to the queue or the private tables', async () => {
    await mayNot('nobody', 'select from s3_connector_queue.jobs');
    await mayNot('nobody', "select s3_connector_queue.add_job('poll')");
    await mayNot('nobody', 'select from s3_connector_private.progress');
  });
});

describe('a reader', () => {
  test('sees every table and view', async () => {
    for (const { name } of relations) await may('reader', `select * from s3_connector.${name}`);
    const worker = await db.connect();
    await worker.query("select s3_connector_private.register_worker('here', 1, '0', 1, current_user, null)");
    const seen = await may('reader', 'select host, alive from s3_connector.workers');
    assert.deepEqual(seen.rows, [{ host: 'here', alive: true }]);
    const { rows } = await may(
      'reader',
      "select name, state from s3_connector.connector_status where name = 'shared'",
    );
    assert.equal(rows.length, 1);
  });

  test('cannot change anything', async () => {
    for (const { name, call } of steering) if (!looking.includes(name)) await mayNot('reader', call);
    await mayNot('reader', "select s3_connector.pause('shared')", /permission denied for function pause/);
  });
});

describe('an operator', () => {
  test('sees everything and can pause, retry and cancel', async () => {
    for (const { name } of relations) await may('operator', `select * from s3_connector.${name}`);
    for (const { call } of steering) {
      await may('operator', call).catch((error) =>
        assert.notEqual(error.code, '42501', `${call}: ${error.message}`),
      );
    }
    await may('operator', "select s3_connector.pause('shared')");
    await may('operator', "select s3_connector.set_marker('shared', 'a/0')");
    await may('operator', "select s3_connector.resume('shared')");
    await may('operator', "select s3_connector.cancel_file('shared', 'a/1')");
    await may('operator', "select s3_connector.retry_file('shared', 'a/1')");
    assert.equal(
      await ownerOf('shared'),
      (await db.one<{ me: string }>('select current_user as me')).me,
      'the owner stays',
    );
  });

  test('cannot configure', async () => {
    await mayNot('operator', insertOf('x'));
    await mayNot('operator', "update s3_connector.connectors set state = 'paused'");
    await mayNot('operator', "delete from s3_connector.connectors where name = 'shared'");
    await mayNot('operator', "insert into s3_connector.column_mappings values ('shared', 'a', 'b')");
  });
});

describe('an admin', () => {
  test('inserts, changes and deletes a connector and its mappings with no other right', async () => {
    await may('admin', insertOf('mine'));
    assert.equal(await ownerOf('mine'), names.admin);
    await may('admin', "select s3_connector.pause('mine')");
    await may('admin', "insert into s3_connector.column_mappings values ('mine', 'a', 'b', 'bigint')");
    await may(
      'admin',
      "update s3_connector.column_mappings set target_column = 'c' where connector_name = 'mine'",
    );
    await may(
      'admin',
      "update s3_connector.connectors set pattern = 'b/**', name = 'still mine' where name = 'mine'",
    );
    await may('admin', "update s3_connector.connectors set state = 'running' where name = 'still mine'");
    await may('admin', "update s3_connector.connectors set state = 'paused' where name = 'still mine'");
    await may('admin', "delete from s3_connector.column_mappings where connector_name = 'still mine'");
    await may('admin', "delete from s3_connector.connectors where name = 'still mine'");
    await may('admin', insertOf('mine'));
    await may('admin', "select s3_connector.pause('mine')");
    await may('admin', "select s3_connector.drop_connector('mine')");
    assert.deepEqual(await db.query("select from s3_connector_queue.jobs where key like 'poll:%mine'"), []);
  });

  test('gets the same validation errors as everyone', async () => {
    await assert.rejects(may('admin', insertOf('x').replace("'csv'", "'xml'")), {
      code: '22023',
      hint: /All are in s3_connector.file_formats/,
    });
    await assert.rejects(
      may('admin', "insert into s3_connector.column_mappings values ('shraed', 'a', 'b')"),
      { code: '42704' },
    );
  });

  test('cannot give a connector another owner, by insert or by update', async () => {
    await may('admin', insertOf('forged', ", 'pg_write_all_data'"));
    assert.equal(await ownerOf('forged'), names.admin);
    await may('admin', "select s3_connector.pause('forged')");
    for (const change of [
      `owner = '${names.reader}'`,
      "created_at = '2001-01-01'",
      'owner = null',
      'owner = current_user, created_at = null',
    ]) {
      await mayNot(
        'admin',
        `update s3_connector.connectors set ${change} where name = 'forged'`,
        /cannot change (owner|created_at)/,
      );
    }
    await assert.rejects(
      db.query(`update s3_connector.connectors set owner = '${names.admin}_x' where name = 'forged'`),
      { code: '42501' },
    );
    assert.equal(await ownerOf('forged'), names.admin);
  });

  test("cannot point another owner's connector at other rows or tables, but may set its limits, pause and drop it", async () => {
    await db.query("select s3_connector.pause('shared')");
    for (const change of [
      "target_table = 'pg_temp.x'",
      "pattern = '**'",
      "bucket = 'other-bucket'",
      "on_conflict = 'update'",
      "file_id_column = 'x'",
    ]) {
      await mayNot(
        'admin',
        `update s3_connector.connectors set ${change} where name = 'shared'`,
        /rights of its owner/,
      );
    }
    await mayNot(
      'admin',
      "insert into s3_connector.column_mappings values ('shared', 'a', 'b')",
      /rights of its owner/,
    );
    await may(
      'admin',
      "update s3_connector.connectors set schedule = '*/5 * * * *', max_parallel_files = 2 where name = 'shared'",
    );
    await may('admin', "select s3_connector.resume('shared')");
  });

  test("has no access to the worker's functions, and cannot write the worker's records", async () => {
    for (const { call } of internal) {
      await mayNot('admin', call, /permission denied for schema s3_connector_private/);
    }
    const writable = await db.query(
      `select g, c.relname from unnest($1::text[]) g, pg_class c
      where c.relnamespace in ('s3_connector'::regnamespace, 's3_connector_ask'::regnamespace, 's3_connector_private'::regnamespace, 's3_connector_import'::regnamespace, 's3_connector_queue'::regnamespace)
        and c.relkind in ('r', 'v') and has_table_privilege(g, c.oid, 'insert, update, delete, truncate, references, trigger')
      order by c.relname`,
      [GROUPS],
    );
    assert.deepEqual(writable, [
      { g: 's3_connector_admin', relname: 'column_mappings' },
      { g: 's3_connector_admin', relname: 'connectors' },
      { g: 's3_connector_admin', relname: 'file_formats' },
    ]);
    assert.deepEqual(
      await db.query(
        `select g, c.relname from unnest($1::text[]) g, pg_class c
        where c.relnamespace = 's3_connector'::regnamespace and c.relkind in ('r', 'v')
          and has_table_privilege(g, c.oid, 'truncate, references, trigger')`,
        [GROUPS],
      ),
      [],
    );
    await mayNot('admin', 'delete from s3_connector.polls');
    await mayNot('admin', "update s3_connector.files set status = 'success'");
    await mayNot('admin', 'truncate s3_connector.connectors cascade');
    await mayNot('admin', 'alter table s3_connector.connectors disable trigger all', /must be owner/);
    await mayNot(
      'admin',
      'create trigger mine before insert on s3_connector.connectors for each row execute function suppress_redundant_updates_trigger()',
    );
    await mayNot('admin', 'create table s3_connector.mine ()');
    await mayNot('admin', 'select from s3_connector_queue.jobs');
  });
});

describe('the owner of a connector is the role that inserts it', () => {
  test('after set role, it is that role', async () => {
    const team = await db.createRole();
    await db.query(`grant s3_connector_admin to ${team.name}; grant ${team.name} to ${names.operator}`);
    const client = await db.connect();
    await client.query(`set role ${team.name}; ${insertOf('by set role')}`);
    assert.equal(await ownerOf('by set role'), team.name);
    // The operator is now a member of the team, and has the team's rights.
    await may('operator', "select s3_connector.pause('by set role')");
    await may(
      'operator',
      `set role ${team.name}; update s3_connector.connectors set pattern = 'c/**' where name = 'by set role'; reset role`,
    );
    await db.query(`revoke ${team.name} from ${names.operator}`);
  });

  test('in a security definer function, it is the role that the function runs as, not its caller', async () => {
    await db.asSuperuser(`create function public.start_one() returns void language sql security definer
      set search_path = pg_catalog, pg_temp as $$ ${insertOf('by function')} $$;
      alter function public.start_one() owner to ${names.admin}`);
    await may('nobody', 'select public.start_one()');
    assert.equal(await ownerOf('by function'), names.admin);
    await db.asSuperuser('drop function public.start_one()');
  });
});

describe('a migration', () => {
  test('to a newer version revokes public privileges that were granted in between', async () => {
    const worker = await db.connect(db.worker);
    const FUNCTIONS = {
      own: 's3_connector.pause(text)',
      hidden: 's3_connector_private.name_similarity(text, text)',
    };
    await worker.query(`grant execute on function ${FUNCTIONS.own} to public;
      grant execute on function ${FUNCTIONS.hidden} to public;
      update s3_connector_private.versions set digest = 'older'`);
    await migrate(db.workerUrl);
    for (const [who, expected] of [
      ['nobody', false],
      ['reader', false],
      ['operator', true],
    ] as const) {
      const allowed = await db.one<{ own: boolean; hidden: boolean }>(
        'select has_function_privilege($1, $2, $4) as own, has_function_privilege($1, $3, $4) as hidden',
        [names[who], FUNCTIONS.own, FUNCTIONS.hidden, 'execute'],
      );
      assert.deepEqual(allowed, { own: expected, hidden: false }, who);
    }
  });

  test('by a role that may not create roles succeeds, and says which groups are missing', async () => {
    const owner = await db.createRole();
    const plain = await testDatabase({ empty: true });
    await plain.asSuperuser(`alter database ${plain.name} owner to ${owner.name}`);
    const url = new URL(plain.url);
    url.username = owner.name;
    url.password = owner.password;
    await migrate(url.href);
    const client = await plain.connect(owner);
    const warnings: { message?: string | undefined; hint?: string | undefined }[] = [];
    client.on('notice', (notice) => warnings.push(notice));
    // The groups exist, created by other databases of this server; in a copy of the script they have other names.
    const grants = await readFile(new URL('../../sql/6_grants/group_roles.sql', import.meta.url), 'utf8');
    const renamed = grants.replaceAll(/s3_connector_(reader|operator|admin)/g, `${owner.name}_$1`);
    await client.query(`begin; ${renamed}; rollback`);
    assert.equal(warnings.length, 3);
    assert.match(warnings[0]!.message!, /role .*_reader does not exist, and .* may not create roles/);
    assert.match(warnings[0]!.hint!, /create role .*_reader nologin; and migrate again/);
    await client.query(insertOf('own'));
    await client.query("select s3_connector.pause('own'); select s3_connector.drop_connector('own')");
    for (const group of GROUPS) {
      const { allowed } = await plain.one<{ allowed: boolean }>(
        "select has_schema_privilege($1, 's3_connector', 'usage') as allowed",
        [group],
      );
      assert.equal(allowed, true, group);
    }
    await client.end();
    await plain.drop();
  });

  test('every security definer function fixes its search_path, temporary tables last', async () => {
    assert.deepEqual(
      await db.query(`select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_ask'::regnamespace, 's3_connector_private'::regnamespace, 's3_connector_import'::regnamespace) and p.prosecdef
          and not coalesce(p.proconfig && array['search_path=pg_catalog, pg_temp'], false)`),
      [],
    );
  });

  test('creates the groups, none of which can log in', async () => {
    assert.deepEqual(
      await db.query(
        'select rolname, rolcanlogin, rolsuper, rolcreaterole from pg_roles where rolname = any ($1) order by rolname',
        [GROUPS],
      ),
      [...GROUPS]
        .sort()
        .map((rolname) => ({ rolname, rolcanlogin: false, rolsuper: false, rolcreaterole: false })),
    );
  });
});

after(async () => {
  await Promise.all(Object.values(clients).map((client) => client.end()));
});
