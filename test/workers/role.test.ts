import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { ownServer } from '../faults/own_server.ts';
import { findPrograms } from '../restore/programs.ts';
import { testDatabase } from '../support/database.ts';
import { type Login, runWorkerSetup } from '../support/roles.ts';
import { openWorld } from '../support/world.ts';

// The whole suite runs with the role that sql/setup/ creates; these tests are about the role itself.
const run = promisify(execFile);
const SETUP = fileURLToPath(new URL('../../sql/setup/worker_role.sql', import.meta.url));
const binDir = await findPrograms();
// Other files use the same roles, and must not see what happens to them here.
const server = await ownServer();
const world = await openWorld(server);
const { db } = world;

const superuser = async (url = db.superuserUrl) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  after(() => client.end());
  return client;
};

test("the worker's roles have no attribute and inherit no owner; one owns the product's objects, one owns nothing", async () => {
  assert.deepEqual(
    await db.query(
      `select distinct rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as much,
        pg_has_role(oid, $2, 'usage') as has_owner from pg_roles where rolname = any ($1)`,
      [[db.worker.name, db.importer.name], db.person.name],
    ),
    [{ much: false, has_owner: false }],
  );
  assert.deepEqual(
    await db.query('select from pg_class where relowner = $1::regrole', [db.importer.name]),
    [],
  );
  assert.deepEqual(
    await db.query(
      'select distinct n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relowner = $1::regrole and n.nspname not like $2 order by 1',
      [db.worker.name, 'pg_%'],
    ),
    [{ nspname: 's3_connector' }, { nspname: 's3_connector_private' }, { nspname: 's3_connector_queue' }],
  );
  // A copy of a template, as other tests have it, has none of the template's grants.
  const copy = await testDatabase();
  assert.deepEqual(
    await copy.one("select has_database_privilege($1, current_database(), 'create') as may_create", [
      db.worker.name,
    ]),
    { may_create: false },
  );
});

test('with two logins a worker gives no notice; with one, or a superuser for imports, it says what code could do', async () => {
  const worker = await world.startWorker();
  const alive = 'select role, import_role, notice from s3_connector.workers where alive';
  assert.deepEqual(await db.query(alive), [
    { role: db.worker.name, import_role: db.importer.name, notice: null },
  ]);
  assert.ok(!worker.lines.some((line) => line.event === 'imports have too many rights'));
  await worker.end('SIGTERM');

  const oneLogin = await world.startWorker({ IMPORT_DATABASE_URL: '' });
  const warned = await oneLogin.logged('imports have too many rights');
  assert.match(
    String(warned.notice),
    new RegExp(`imports use the worker's own login ${db.worker.name}: .*as any owner.*IMPORT_DATABASE_URL`),
  );
  await db.asSuperuser(`grant ${db.person.name} to ${db.worker.name}`);
  await db.query('create table with_one (n integer)');
  world.put('with_one/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'with_one', pattern: 'with_one/*', target_table: 'with_one' });
  const [file] = await world.settled('with_one');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  await db.asSuperuser(`revoke ${db.person.name} from ${db.worker.name}`);
  await oneLogin.end('SIGTERM');

  const admin = await superuser();
  const { rows } = await admin.query('select current_user as name');
  const name: string = rows[0].name;
  const asSuperuser = await world.startWorker({ DATABASE_URL: db.superuserUrl });
  const said = await asSuperuser.logged('imports have too many rights');
  assert.equal(said.level, 'warn');
  assert.match(String(said.notice), /is a superuser: .*triggers.*sql\/setup\/worker_role\.sql/);
  assert.deepEqual(await db.query(alive), [{ role: name, import_role: name, notice: said.notice }]);
  await asSuperuser.end('SIGTERM');

  const member = await db.createRole();
  await db.asSuperuser(`grant ${pg.escapeIdentifier(name)} to ${member.name}`);
  const client = await db.connect(db.worker);
  const { rows: says } = await client.query('select s3_connector_private.worker_role_notice($1) as says', [
    member.name,
  ]);
  assert.match(says[0].says, new RegExp(`${member.name} may become the superuser ${name}`));
});

test('a worker refuses a login for imports that may do more than import, and one of another database', async () => {
  const refused = async (url: string, says: RegExp) =>
    assert.rejects(world.startWorker({ DATABASE_URL: db.workerUrl, IMPORT_DATABASE_URL: url }), says);
  await refused(db.superuserUrl, /imports must not log in as .* it is a superuser.*unfit_import_login/s);
  const [member, reader, grantee] = [await db.createRole(), await db.createRole(), await db.createRole()];
  await db.asSuperuser(`revoke ${member.name} from ${db.importer.name}, ${db.person.name};
    grant ${db.worker.name} to ${member.name}; grant s3_connector_reader to ${reader.name};
    grant select on s3_connector_private.import_secret to ${grantee.name}`);
  const urlOf = ({ name, password }: Login, url = db.url) =>
    Object.assign(new URL(url), { username: name, password }).href;
  await refused(urlOf(member), new RegExp(`it may become ${db.worker.name}, which owns`));
  await refused(urlOf(reader), /it has privileges on s3_connector\./);
  await refused(urlOf(grantee), /it has privileges on s3_connector_private\.import_secret/);
  const other = await testDatabase({ empty: true, server });
  await refused(urlOf(db.importer, other.url), /lead to different databases.*other_database/s);
  await refused(
    urlOf({ ...db.importer, password: 'wrong' }),
    /password authentication failed.*in IMPORT_DATABASE_URL/s,
  );
});

test("if the login for imports may not become the connector's owner, the import names the missing grant, and succeeds with it", async () => {
  const owner = await db.createRole();
  await db.asSuperuser(
    `revoke ${owner.name} from ${db.importer.name}, ${db.person.name}; grant s3_connector_admin to ${owner.name}`,
  );
  await db.query(`create table strangers (n integer); grant insert on strangers to ${owner.name}`);
  const worker = await world.startWorker();
  world.put('strangers/1.csv', 'n\n1\n');
  const client = await db.connect(owner);
  await client.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
    values ('strangers', $1, $2, 'strangers/*', 'csv', 'strangers')`,
    [world.bucket, world.server.endpoint],
  );
  const [file] = await world.settled('strangers');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'permission_denied']);
  assert.match(
    file!.error_message!,
    new RegExp(`may not act as ${owner.name}.*grant "${owner.name}" to "${db.importer.name}"`),
  );
  await client.query("call s3_connector.check('strangers')");
  assert.deepEqual(
    (await client.query("select ok, hint from s3_connector.checks where step = 'grants'")).rows,
    [{ ok: false, hint: `grant ${owner.name} to ${db.importer.name};` }],
  );
  await db.asSuperuser(`grant ${owner.name} to ${db.importer.name}`);
  await client.query("select s3_connector.retry('strangers')");
  assert.equal((await world.settled('strangers'))[0]!.status, 'success');
  await worker.end('SIGTERM');
});

test('a database that a superuser has migrated is handed over to the role, and works', async () => {
  const old = await testDatabase({ empty: true, server });
  await migrate(old.superuserUrl);
  const admin = await superuser(old.superuserUrl);
  await admin.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table) values ('old', 'some-bucket', 'a/*', 'csv', 't')`,
  );
  await assert.rejects(migrate(old.workerUrl), { code: 'foreign_schema' });
  await runWorkerSetup(admin, old.worker.name, old.importer.name);
  await runWorkerSetup(admin, old.worker.name, old.importer.name);
  await migrate(old.workerUrl);
  const client = await old.connect(old.worker);
  assert.deepEqual((await client.query('select name from s3_connector.connector_status')).rows, [
    { name: 'old' },
  ]);
  const { rows } = await admin.query(
    `select count(*)::integer as n from (
      select relowner as owner, relnamespace as schema from pg_class
      union all select proowner, pronamespace from pg_proc union all select typowner, typnamespace from pg_type
    ) o join pg_namespace n on n.oid = o.schema
    where n.nspname in ('s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 's3_connector_queue') and o.owner <> $1::regrole`,
    [old.worker.name],
  );
  assert.deepEqual(rows, [{ n: 0 }]);
});

test('the setup refuses a role that has more rights', async () => {
  const admin = await superuser();
  const role = await db.createRole('createdb');
  await assert.rejects(runWorkerSetup(admin, db.worker.name, role.name), {
    message: `role ${role.name} has more than a worker needs: createdb, inherit`,
    hint: `Choose a separate role, or run: alter role ${role.name} nocreatedb noinherit;`,
  });
  await admin.query('rollback');
});

test('psql runs the setup unchanged', {
  skip: binDir === undefined && 'no psql is installed (TEST_POSTGRES_BIN_DIR names a server that has it)',
}, async () => {
  const name = `${db.name} o'worker`;
  const importer = `${db.name} o'importer`;
  const args = ['-X', '-v', `worker=${name}`, '-v', `importer=${importer}`, '-f', SETUP, db.superuserUrl];
  await run(join(binDir!, 'psql'), args);
  await run(join(binDir!, 'psql'), args);
  const quoted = pg.escapeIdentifier(name);
  try {
    assert.deepEqual(
      await db.one(
        `select rolcanlogin, has_database_privilege(oid, current_database(), 'create') as may_create,
          pg_has_role(oid, 'pg_read_all_stats', 'usage') as sees_progress from pg_roles where rolname = $1`,
        [name],
      ),
      { rolcanlogin: true, may_create: true, sees_progress: true },
    );
    assert.deepEqual(
      await db.one(
        `select rolinherit, rolcanlogin, has_database_privilege(oid, current_database(), 'create') as may_create,
          pg_has_role(oid, 'pg_read_all_stats', 'member') as sees_progress from pg_roles where rolname = $1`,
        [importer],
      ),
      { rolinherit: false, rolcanlogin: true, may_create: false, sees_progress: false },
    );
    const { rows } = await (await superuser()).query(
      "select nspowner::regrole::text as owner from pg_namespace where nspname = 's3_connector'",
    );
    assert.deepEqual(rows, [{ owner: quoted }]);
  } finally {
    await db.asSuperuser(
      `reassign owned by ${quoted} to ${db.worker.name}; drop owned by ${quoted}; drop role ${quoted};
      drop owned by ${pg.escapeIdentifier(importer)}; drop role ${pg.escapeIdentifier(importer)}`,
    );
  }
});
