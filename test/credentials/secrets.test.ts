import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { platform } from 'node:process';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { StsError } from '../../embedded/sts/assume_role.ts';
import { startStsServer } from '../../embedded/sts/server.ts';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// Secrets are never in a table, a log, an error, or a process title: after successful and failed operations, all of them
// are searched.

const world = await openWorld();
const { db, server, credentials } = world;
const ROLE = 'arn:aws:iam::111122223333:role/reader';
const PASSWORD = `p@ss/w%rd:${randomBytes(12).toString('hex')}`;
const worker = { accessKeyId: 'worker', secretAccessKey: randomBytes(30).toString('base64') };
credentials.push(worker);
const sts = await startStsServer({
  credentials,
  roles: [{ arn: ROLE, trusts: [worker.accessKeyId], externalId: 'p/s' }],
});
after(() => sts.close());

/** Every secret so far, also URL-encoded; long enough that none occurs by chance. */
function secrets(): string[] {
  const issued = credentials.filter(({ sessionToken }) => sessionToken);
  assert.ok(issued.length > 0, 'a role was assumed');
  const plain = [
    PASSWORD,
    worker.secretAccessKey,
    ...issued.flatMap(({ secretAccessKey, sessionToken }) => [secretAccessKey, sessionToken!]),
  ];
  return plain.flatMap((secret) => [secret, encodeURIComponent(secret)]);
}

function assertNone(text: string, where: string): void {
  for (const secret of secrets()) assert.ok(!text.includes(secret), `a secret is in ${where}`);
}

/** All rows of all tables as text, a table at a time. */
async function* allTables(): AsyncGenerator<{ table: string; text: string }> {
  const tables = await db.query<{ table: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema')`,
  );
  for (const { table } of tables) {
    const rows = await db.query<{ row: string }>(`select t::text as row from ${table} t`);
    yield { table, text: rows.map(({ row }) => row).join('\n') };
  }
}

/** The command lines and environments of all processes on the machine. */
async function commandLines(): Promise<string> {
  if (platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
    return (await Promise.all(lines)).join('\n').replaceAll('\0', ' ');
  }
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args='], { maxBuffer: 1 << 26 });
  return stdout;
}

/** A database URL of a superuser with the password. */
async function databaseUrl(): Promise<string> {
  const { name } = await db.createRole('superuser');
  await db.asSuperuser(`alter role ${name} password '${PASSWORD}'`);
  const url = new URL(db.url);
  url.username = name;
  url.password = encodeURIComponent(PASSWORD);
  return url.href;
}

test('no secret appears in tables, logs or errors, even after failures', async () => {
  world.put('life/1.csv', 'n,m\n1,2\n');
  world.put('life/2.csv', 'n,m\nnot a number,2\n');
  world.put('life/3.csv', 'n,m\n3,4\n');
  world.put('parquet/1.parquet', await parquetOf('select range as n from range(100000)'));
  const forbidden = { error: { status: 403, code: 'SignatureDoesNotMatch' } };
  server.faults.order({ operation: 'GetObject', key: 'life/3.csv', times: 4, ...forbidden });
  const process = await world.startWorker({
    DATABASE_URL: await databaseUrl(),
    AWS_ACCESS_KEY_ID: worker.accessKeyId,
    AWS_SECRET_ACCESS_KEY: worker.secretAccessKey,
    AWS_ENDPOINT_URL_STS: sts.endpoint,
    PROJECT_ID: 'p',
    SERVICE_ID: 's',
  });
  const role = { auth_method: 'iam_role', role_arn: ROLE };
  await world.insertConnector({ name: 'life', pattern: 'life/*', target_table: 'life', ...role });
  await world.settled('life');

  // A reader process is running, and so is COPY.
  await db.query('create table from_parquet (n bigint)');
  const locker = await db.connect();
  await locker.query('begin; lock table from_parquet in access exclusive mode');
  await world.insertConnector({
    name: 'parquet',
    pattern: 'parquet/*',
    target_table: 'from_parquet',
    file_format: 'parquet',
    ...role,
  });
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and application_name ~ '^s3_connector import' and wait_event_type = 'Lock'",
    (waiting) => waiting.length === 1,
  );
  const titles = await commandLines();
  assert.match(titles, /src\/main\.ts/);
  assert.match(titles, /parquet\/reader/);
  assertNone(titles, 'the command line of a process');
  const activity = await db.query('select * from pg_stat_activity');
  assertNone(JSON.stringify(activity), 'pg_stat_activity');
  await locker.query('rollback');
  await world.settled('parquet');

  for (const statement of [
    "call s3_connector.check('life')",
    "call s3_connector.preview('life')",
    "call s3_connector.audit('life')",
    "call s3_connector.dry_run_file('life', 'life/1.csv')",
  ]) {
    assertNone(JSON.stringify(await call(db, statement)), statement);
  }
  // AWS may quote a request in this way when it refuses it.
  const token = credentials.at(-1)!.sessionToken!;
  sts.errors.push(
    ...Array(9).fill(new StsError(403, 'SignatureDoesNotMatch', `x-amz-security-token:${token}`)),
  );
  sts.revokeAll();
  assertNone(JSON.stringify(await call(db, "call s3_connector.check('life')")), 'a check');
  await db.query("select s3_connector.poll_now('life')");
  await db.waitFor(
    "select from s3_connector.polls where connector_name = 'life' and error is not null",
    (failed) => failed.length > 0,
  );
  sts.errors.length = 0;
  await world.pollAndSettle('life');
  await db.query("select s3_connector.retry('life')");
  await world.settled('life');
  await process.end('SIGTERM');

  let tables = '';
  for await (const { table, text } of allTables()) {
    assertNone(text, table);
    tables += text;
  }
  assert.ok(tables.includes('life/3.csv'), 'the tables were read');
  assert.match(process.output, /import failed/);
  assertNone(process.output, "the worker's log");
});

test('the error about an unreachable database does not contain its password', async () => {
  const closed = `postgres://somebody:${encodeURIComponent(PASSWORD)}@127.0.0.1:1/none`;
  const malformed = `postgres://somebody:${PASSWORD} @127.0.0.1:no_port/none`;
  for (const url of [closed, malformed]) {
    const worker = world.spawnWorker({ DATABASE_URL: url });
    // It would try for a minute, or ends with the error.
    await worker.logged('not started yet, trying again').catch(() => worker.ended());
    await worker.end('SIGKILL');
    assert.match(worker.output, /no connection to the database|DATABASE_URL/);
    assertNone(worker.output, `the log for ${url}`);
  }
});
