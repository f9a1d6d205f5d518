import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Postgres, startPostgres } from '../../embedded/postgres/server.ts';
import { migrate } from '../../src/db/migrations.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';
import { findPrograms } from './programs.ts';

const run = promisify(execFile);
const binDir = await findPrograms();
const world = await openWorld();
const { server } = world;

/** The data that a restore must bring back unchanged, without the data that can be created again. */
const KEPT = {
  connectors: 'select c.*, null as state from s3_connector.connectors c order by name',
  files: "select * from s3_connector.files where connector_name = 'imported' order by key",
  history: "select * from s3_connector.file_history where connector_name = 'imported' order by key, at",
  rejected: 'select * from s3_connector.rejected_rows order by key, line',
  polls: 'select * from s3_connector.polls order by id',
  status: `select name, marker, success, failure, rows_total, bytes_total, rows_last_day, last_success_at, last_error, late_files
    from s3_connector.connector_status order by name`,
};

describe('pg_dump and restore to another server work', {
  skip: binDir === undefined && 'no PostgreSQL with pg_dump is installed (TEST_POSTGRES_BIN_DIR names one)',
}, () => {
  let source: Postgres;
  let target: Postgres;
  let directory: string;
  let expected: Record<string, unknown[]>;
  const clients: pg.Client[] = [];

  const program = (name: string, ...args: string[]) => run(join(binDir!, name), args);
  const connect = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    clients.push(client);
    await client.connect();
    return client;
  };
  const createDatabase = async (postgres: Postgres, name: string) => {
    const admin = await connect(postgres.url());
    await admin.query(`create database ${name}`);
    return connect(postgres.url(name));
  };
  const kept = async (client: pg.Client) => {
    const answers: Record<string, unknown[]> = {};
    for (const [what, text] of Object.entries(KEPT)) answers[what] = (await client.query(text)).rows;
    return answers;
  };
  const until = async (client: pg.Client, text: string, holds: (row: Record<string, unknown>) => boolean) => {
    for (const deadline = Date.now() + LONGEST_WAIT_MS; ; await delay(50)) {
      const { rows } = await client.query(text);
      if (rows[0] && holds(rows[0])) return;
      if (Date.now() > deadline) throw new Error(`waited in vain for ${text}: ${JSON.stringify(rows)}`);
    }
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 's3-connector-dump-'));
    [source, target] = await Promise.all([
      startPostgres({ binDir: binDir! }),
      startPostgres({ binDir: binDir! }),
    ]);
    for (const n of [1, 2, 3]) {
      world.put(`imported/${n}.csv`, n === 2 ? 'n\n1\nbroken\n' : `n\n${n}\n`);
      world.put(`waiting/${n}.csv`, `n\n${n}\n`);
    }
    world.put('imported/4.csv', 'wrong\n1\n');
    const original = await createDatabase(source, 'original');
    await original.query('create table imported (n integer); create table waiting (n integer)');
    const worker = await world.startWorker({ DATABASE_URL: source.url('original') });
    // No poll may come between the dumps and the reading of what they must hold.
    const insert = `insert into s3_connector.connectors
      (name, bucket, endpoint, pattern, file_format, target_table, on_bad_row, max_parallel_files, schedule)
      values ($1, $2, $3, $4, 'csv', $1, 'skip', 1, '${NEVER_AGAIN}')`;
    await original.query(insert, ['imported', world.bucket, server.endpoint, 'imported/*']);
    await until(
      original,
      "select success, failure from s3_connector.connector_status where name = 'imported'",
      (row) => row.success === '3' && row.failure === '1',
    );
    const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 2 } });
    await original.query(insert, ['waiting', world.bucket, server.endpoint, 'waiting/*']);
    await stalled.hit();

    // The worker runs all the time.
    const roles = join(directory, 'roles.sql');
    await program('pg_dumpall', '--roles-only', '--no-role-passwords', '-f', roles, '-d', source.url());
    // The role postgres always exists, so errors do not end psql.
    await program('psql', '--quiet', '--no-psqlrc', `--file=${roles}`, target.url());
    await program('pg_dump', '-Fc', '-f', join(directory, 'whole'), source.url('original'));
    await program(
      'pg_dump',
      '--data-only',
      '--disable-triggers',
      '--schema=s3_connector',
      '--schema=s3_connector_private',
      '--exclude-table-data=s3_connector_private.migrations',
      '--exclude-table-data=s3_connector_private.workers',
      '-f',
      join(directory, 'data.sql'),
      source.url('original'),
    );
    await worker.end('SIGKILL');
    stalled.cancel();
    expected = await kept(original);
    assert.equal(expected.rejected!.length, 1);
    assert.equal(expected.history!.length, 4 * 3);
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await Promise.all([source?.stop(), target?.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  /** The restored database imports nothing and has lost nothing; a resumed connector continues where it was. */
  const assertStillThenResumed = async (restored: pg.Client) => {
    await restored.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
    await until(
      restored,
      "select count(*) as jobs from s3_connector_queue.jobs where key = 'poll_due' and run_at <= now()",
      (row) => row.jobs === '0',
    );
    assert.deepEqual(
      (
        await restored.query(
          'select distinct state, notice from s3_connector.connector_status order by notice',
        )
      ).rows.map(({ state, notice }) => [
        state,
        /is a copy .* select s3_connector.resume\('\w+'\);/.test(notice),
      ]),
      [
        ['paused', true],
        ['paused', true],
      ],
    );
    assert.equal(server.requests.count(), 0, 'the bucket was not asked for anything');
    assert.deepEqual(await kept(restored), expected);
    assert.deepEqual((await restored.query('select * from s3_connector_private.wrong_totals()')).rows, []);
    const waiting = await restored.query(
      "select distinct status from s3_connector.files where connector_name = 'waiting'",
    );
    assert.deepEqual(waiting.rows, [{ status: 'paused' }]);

    await restored.query("select s3_connector.resume('waiting')");
    await until(
      restored,
      "select success, notice from s3_connector.connector_status where name = 'waiting'",
      (row) => row.success === '3' && row.notice === null,
    );
    assert.deepEqual((await restored.query('select n from waiting order by n')).rows, [
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
    assert.deepEqual((await restored.query('select * from s3_connector_private.wrong_totals()')).rows, []);
  };

  test('with a whole dump, restored before a worker starts there', async () => {
    const restored = await createDatabase(target, 'whole');
    await program('pg_restore', '--exit-on-error', '-d', target.url('whole'), join(directory, 'whole'));
    server.requests.reset();
    const worker = await world.startWorker({ DATABASE_URL: target.url('whole') });
    await assertStillThenResumed(restored);
    await worker.end('SIGTERM');
  });

  test('with data alone, restored while a worker runs', async () => {
    const restored = await createDatabase(target, 'data');
    await migrate(target.url('data'));
    await restored.query('create table imported (n integer); create table waiting (n integer)');
    const worker = await world.startWorker({ DATABASE_URL: target.url('data') });
    server.requests.reset();
    await program(
      'psql',
      '--quiet',
      '--no-psqlrc',
      '--single-transaction',
      '--set=ON_ERROR_STOP=1',
      // The dump has the builtin ones, too.
      '--command=delete from s3_connector.file_formats',
      `--file=${join(directory, 'data.sql')}`,
      target.url('data'),
    );
    await assertStillThenResumed(restored);
    await worker.end('SIGTERM');
  });
});
