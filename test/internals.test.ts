// Internals of packages that our code uses: parts that their documentation does not promise. When one changes, its test fails
// and names the package, the internal and the file of ours that uses it. That is why these packages have exact versions.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { type DuckDBBlobValue, DuckDBInstance } from '@duckdb/node-api';
import { Logger, run, runMigrations } from 'graphile-worker';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { queryAll } from '../src/db/query_all.ts';
import { FarStrings, INLINE_BYTES } from '../src/formats/parquet/binary/far_strings.ts';
import { isNull, readVectors } from '../src/formats/parquet/binary/vector.ts';
import { packageRoot } from '../src/paths.ts';
import { takeEntries } from '../src/sources/s3_entries.ts';
import { isSafeToRepeat, narrow, takesJob } from '../src/worker/queue.ts';
import { openWorld } from './support/world.ts';

const world = await openWorld();
const { db, server, bucket } = world;

const EXACT = [
  '@aws-sdk/client-s3',
  '@aws-sdk/client-sqs',
  '@aws-sdk/credential-providers',
  '@duckdb/node-api',
  '@duckdb/node-bindings',
  'graphile-worker',
  'idiomorph',
  'kysely',
  'pg',
  'pg-copy-streams',
];

const readPackage = async (directory: string) =>
  JSON.parse(await readFile(join(packageRoot, directory, 'package.json'), 'utf8'));

/** Ends a check that waits in vain for something that a package no longer does, in milliseconds. */
const HANGS_MS = 60_000;

/** Tests one internal. */
function internal(of: string, what: string, user: string, check: () => unknown): void {
  test(`${of}: ${what} (${user})`, { timeout: HANGS_MS }, async () => {
    try {
      for (const path of user.replaceAll(/ \(.*?\)/g, '').split(', '))
        assert.ok(existsSync(join(packageRoot, path)), `there is no file ${path}: correct this test`);
      await check();
    } catch (cause) {
      const { version } = await readPackage(`node_modules/${of}`);
      throw new Error(`${of} ${version} has changed: ${what}. Used by ${user}`, { cause });
    }
  });
}

async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: db.url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

test('packages with internals that we use have exact versions, which are installed', async () => {
  const { dependencies } = await readPackage('.');
  for (const name of EXACT) {
    assert.match(dependencies[name], /^\d+\.\d+\.\d+[\w.-]*$/, `${name} needs an exact version`);
    assert.equal((await readPackage(`node_modules/${name}`)).version, dependencies[name], name);
  }
});

// pg

internal('pg', 'a client knows its processID', 'src/db/connections.ts (isDirect)', () =>
  withClient(async (client) => {
    const { rows } = await client.query('select pg_backend_pid() as pid');
    assert.equal((client as unknown as { processID: number }).processID, rows[0].pid);
  }),
);

internal('pg', 'client.connection emits errorMessage with the SQLSTATE', 'src/db/connections.ts', () =>
  withClient(async (client) => {
    const codes: unknown[] = [];
    client.connection.on('errorMessage', ({ code }: pg.DatabaseError) => codes.push(code));
    await client.query('select 1 / 0').catch(() => {});
    assert.deepEqual(codes, ['22012']);
  }),
);

internal(
  'pg',
  'a query with requiresPreparation and prepare sends its own messages, and returns a result for each',
  'src/db/query_all.ts',
  () =>
    withClient(async (client) => {
      await client.query('begin');
      const results = await queryAll(client, ['select 1 as n', { text: 'select $1::int as n', values: [2] }]);
      assert.deepEqual(
        results.map(({ rows }) => rows),
        [[{ n: 1 }], [{ n: 2 }]],
      );
      await client.query('commit');
    }),
);

internal('pg', 'a connection calls attachListeners with its stream', 'src/db/message_limit.ts', async () => {
  const client = new pg.Client({ connectionString: db.url });
  client.on('error', () => {});
  const { connection } = client as unknown as {
    connection: { attachListeners(stream: unknown): void; stream: unknown };
  };
  const { attachListeners } = connection;
  const streams: unknown[] = [];
  connection.attachListeners = (stream) => {
    streams.push(stream);
    attachListeners.call(connection, stream);
  };
  await client.connect();
  assert.deepEqual(streams.length, 1);
  assert.equal(streams[0], connection.stream);
  await client.end();
});

internal(
  'pg',
  'client.connection.stream is its socket, and the messages of a lost connection',
  'src/sql_errors.ts (GONE), src/db/connections.ts',
  () =>
    withClient(async (client) => {
      assert.ok(client.connection.stream instanceof Socket);
      const lost = assert.rejects(client.query('select pg_sleep(60)'), /^Error: Connection terminated/);
      client.connection.stream.destroy();
      await lost;
      await assert.rejects(
        client.query('select 1'),
        /^Error: Client (has encountered a connection error|was closed)/,
      );
    }),
);

internal(
  'pg',
  'a pool makes clients of the class Client, connects them by a callback, and emits release with the client',
  'src/db/connections.ts (SessionPool)',
  async () => {
    let callbacks = 0;
    class Client extends pg.Client {
      override connect(callback?: unknown): Promise<pg.Client> & undefined {
        if (typeof callback === 'function') callbacks++;
        return super.connect(callback as () => void) as unknown as Promise<pg.Client> & undefined;
      }
    }
    const pool = new pg.Pool({ connectionString: db.url, max: 1, Client } as unknown as pg.PoolConfig);
    const released: unknown[] = [];
    pool.on('release', (_error, client) => released.push(client));
    const client = await pool.connect();
    client.release();
    await pool.end();
    assert.deepEqual([callbacks, client instanceof Client, released], [1, true, [client]]);
  },
);

internal('kysely', 'the message of a discarded connection', 'src/sql_errors.ts (GONE)', async () => {
  const driver = await readFile(
    join(packageRoot, 'node_modules/kysely/dist/dialect/postgres/postgres-driver.js'),
    'utf8',
  );
  assert.ok(driver.includes("'Postgres connection has been discarded'"));
});

internal(
  'kysely',
  'destroy ends no pool before the first query, and ends it after one',
  'src/db/control.ts',
  async () => {
    for (const queries of [0, 1]) {
      const pool = new pg.Pool({ connectionString: db.url });
      const kysely = new Kysely({ dialect: new PostgresDialect({ pool }) });
      for (let i = 0; i < queries; i++) await kysely.executeQuery(CompiledQuery.raw('select 1'));
      await kysely.destroy();
      assert.equal(pool.ended, queries > 0);
      if (!pool.ended) await pool.end();
    }
  },
);

// pg-copy-streams

internal(
  'pg-copy-streams',
  'pg calls handleCommandComplete for each statement, and handleCopyInResponse with the connection',
  'src/copy/statement.ts (follow)',
  () =>
    withClient(async (client) => {
      await client.query('create temporary table copied (n integer)');
      const copy = copyFrom('set datestyle = iso; copy copied from stdin; reset datestyle');
      const calls: unknown[] = [];
      const handlers = copy as unknown as Record<string, (...args: never[]) => void>;
      const { handleCommandComplete, handleCopyInResponse } = handlers;
      handlers.handleCommandComplete = (message: { text: string }, connection: unknown) => {
        calls.push(message.text);
        handleCommandComplete!.call(copy, message as never, connection as never);
      };
      handlers.handleCopyInResponse = (connection: { stream: unknown }) => {
        calls.push(connection.stream === client.connection.stream);
        handleCopyInResponse!.call(copy, connection as never);
      };
      client.query(copy);
      await pipeline(Readable.from([Buffer.from('1\n2\n')]), copy);
      assert.deepEqual([calls, copy.rowCount], [['SET', true, 'COPY 2', 'RESET'], 2]);
    }),
);

// graphile-worker

internal('graphile-worker', 'its tables, functions and types', 'sql', async () => {
  const columns = (relation: string) =>
    db.query<{ name: string }>(
      'select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum',
      [`s3_connector_queue.${relation}`],
    );
  const names = async (relation: string) => (await columns(relation)).map(({ name }) => name);
  const jobs = await names('_private_jobs');
  for (const column of 'id key priority run_at is_available locked_at locked_by attempts max_attempts'.split(
    ' ',
  ))
    assert.ok(jobs.includes(column), `_private_jobs.${column}`);
  const view = await names('jobs');
  for (const column of 'id attempts max_attempts locked_at updated_at'.split(' '))
    assert.ok(view.includes(column), `jobs.${column}`);
  // queue_polls and queue_imports write it by position.
  assert.equal(
    (await names('job_spec')).join(' '),
    'identifier payload queue_name run_at max_attempts job_key priority flags',
  );
  assert.deepEqual(
    await db.query(`select proname || '(' || pg_get_function_identity_arguments(oid) || ')' as name from pg_proc
      where pronamespace = 's3_connector_queue'::regnamespace
        and proname in ('add_job', 'add_jobs', 'complete_jobs', 'remove_job') order by 1`),
    [
      'add_job(identifier text, payload json, queue_name text, run_at timestamp with time zone, max_attempts integer, job_key text, priority integer, flags text[], job_key_mode text)',
      'add_jobs(specs s3_connector_queue.job_spec[], job_key_preserve_run_at boolean)',
      'complete_jobs(job_ids bigint[])',
      'remove_job(job_key text)',
    ].map((name) => ({ name })),
  );
});

internal(
  'graphile-worker',
  'the names and texts of its queries, and the hook startWorker',
  'src/worker/queue.ts, src/worker/queue_pool.ts',
  async () => {
    const asked: (pg.QueryConfig & { alone: boolean })[] = [];
    const pgPool = new pg.Pool({ connectionString: db.url });
    pgPool.on('error', () => {});
    pgPool.on('connect', (client) => {
      const ask = client.query.bind(client) as (...query: unknown[]) => unknown;
      client.query = ((query: string | pg.QueryConfig, values?: unknown[], ...rest: unknown[]) => {
        const config = typeof query === 'string' ? { text: query, values: values ?? [] } : query;
        asked.push({ ...config, alone: values === undefined && rest.length === 0 });
        return values === undefined && rest.length === 0 ? ask(query) : ask(query, values, ...rest);
      }) as pg.PoolClient['query'];
    });
    const schema = 'internals';
    const quiet = { pgPool, schema, noHandleSignals: true, logger: new Logger(() => () => {}) };
    await runMigrations(quiet);
    let pool = '';
    const ended = new Set<string>();
    const both = Promise.withResolvers<void>();
    const end = (name: string) => {
      if (ended.add(name).size === 2) both.resolve();
    };
    const runner = await run({
      ...quiet,
      taskList: {
        good: () => {},
        bad: () => {
          throw new Error('on purpose');
        },
      },
      preset: {
        worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
        plugins: [
          {
            name: 'internals',
            worker: {
              hooks: {
                startWorker: (_, { worker }) => {
                  pool = worker.workerPool.id;
                },
              },
            },
          },
        ],
      },
    });
    runner.events.on('job:complete', ({ job }) => end(job.task_identifier));
    await runner.addJob('good', {});
    await runner.addJob('bad', {});
    await both.promise;
    await runner.stop();
    await pgPool.end();

    const takes = asked.find(({ name }) => takesJob(name));
    assert.ok(
      takes?.alone && takes.values?.[0] === pool,
      'get_job is one object, whose first value is the pool',
    );
    const available = (text: string) => text.split('jobs.is_available = true').length - 1;
    assert.equal(available(takes.text), 1, 'jobs.is_available = true is in get_job once');
    assert.match(
      narrow(takes, [-10, -1]).text,
      /jobs\.is_available = true and jobs\.priority between -10 and -1/,
    );
    const safe = asked
      .filter((query) => isSafeToRepeat(query))
      .map(({ name, text }) => name ?? text.split(' ')[0]!);
    for (const part of ['complete_job', 'fail_job', 'insert', 'select'])
      assert.ok(
        safe.some((name) => name.startsWith(part)),
        `${part} is found to be safe to repeat`,
      );
    assert.ok(
      asked.some(({ text }) => text.includes('LISTEN "worker:migrate";')),
      'LISTEN "worker:migrate";',
    );
    assert.ok(
      asked.some(({ values }) => values?.[0] === 'worker:migrate'),
      'pg_notify worker:migrate',
    );
  },
);

// The AWS SDK

const client = new S3Client({
  endpoint: server.endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'reader', secretAccessKey: 'reader-secret' },
});

internal(
  '@aws-sdk/client-s3',
  'a middleware of the step deserialize sees statusCode and body, a stream, and may replace it',
  'src/sources/s3_entries.ts',
  async () => {
    world.put('internals/1', '1');
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: 'internals/' });
    const entries = takeEntries(command);
    const { Contents, KeyCount } = await client.send(command);
    assert.deepEqual([entries.map(({ Key }) => Key), Contents, KeyCount], [['internals/1'], undefined, 1]);
  },
);

internal(
  '@aws-sdk/client-s3',
  'a middleware of the step finalizeRequest runs at each try, and its context has commandName',
  'src/sources/s3_requests.ts',
  async () => {
    const tries: unknown[] = [];
    const command = new GetObjectCommand({ Bucket: bucket, Key: 'internals/1' });
    command.middlewareStack.add(
      (next, context) => (args) => {
        tries.push(context.commandName);
        return next(args);
      },
      { step: 'finalizeRequest', name: 'internals', priority: 'low' },
    );
    server.faults.order({ operation: 'GetObject', times: 1, error: { status: 503, code: 'SlowDown' } });
    const { Body } = await client.send(command);
    assert.ok(Body instanceof Readable, 'Body is a stream of Node (src/sources/s3.ts)');
    Body.destroy();
    assert.deepEqual(tries, ['GetObjectCommand', 'GetObjectCommand']);
  },
);

internal(
  '@aws-sdk/client-s3',
  'errors have name, $metadata.httpStatusCode, $response.headers, and Region if the body has it',
  'src/sources/s3_errors.ts',
  async () => {
    const failed = async (sent: Promise<unknown>) => {
      const error = await sent.then(
        () => undefined,
        (reason) => reason,
      );
      return [error?.name, error?.$metadata?.httpStatusCode, typeof error?.$response?.headers];
    };
    const missing = { Bucket: bucket, Key: 'internals/none' };
    assert.deepEqual(await failed(client.send(new GetObjectCommand(missing))), ['NoSuchKey', 404, 'object']);
    assert.deepEqual(await failed(client.send(new HeadObjectCommand(missing))), ['NotFound', 404, 'object']);
    server.faults.order({ operation: 'HeadObject', times: 1, error: { status: 400, code: 'ExpiredToken' } });
    // HEAD has no body, so the SDK has no reason.
    assert.deepEqual(await failed(client.send(new HeadObjectCommand(missing))), ['Unknown', 400, 'object']);
    const error = { status: 301, code: 'PermanentRedirect', fields: { Region: 'eu-west-1' } };
    server.faults.order({ operation: 'GetObject', error });
    await assert.rejects(client.send(new GetObjectCommand(missing)), { Region: 'eu-west-1' });
    server.faults.order({ operation: 'GetObject', error: { status: 403, code: '' } });
    await assert.rejects(client.send(new GetObjectCommand(missing)), { message: 'UnknownError' });
  },
);

internal(
  '@aws-sdk/client-s3',
  'client.config has region, requestHandler and credentials that renew',
  'src/sources/s3.ts, src/sources/s3_clients.ts',
  async () => {
    let asked = 0;
    const renewing = new S3Client({
      region: 'eu-west-1',
      requestHandler: client.config.requestHandler,
      credentials: async () => ({ accessKeyId: String(++asked), secretAccessKey: '-' }),
    });
    assert.equal(await renewing.config.region(), 'eu-west-1');
    assert.equal(renewing.config.requestHandler, client.config.requestHandler);
    await renewing.config.credentials();
    assert.equal((await renewing.config.credentials({ forceRefresh: true })).accessKeyId, '2');
  },
);

internal(
  '@aws-sdk/credential-providers',
  'the error without credentials is a CredentialsProviderError, with this message',
  'src/sources/s3_error_table.ts, src/sources/s3_credentials.ts',
  async () => {
    const before = { ...process.env };
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
      AWS_CONFIG_FILE: '/nonexistent',
    });
    try {
      await assert.rejects(fromNodeProviderChain()(), {
        name: 'CredentialsProviderError',
        message: 'Could not load credentials from any providers',
      });
    } finally {
      process.env = before;
    }
  },
);

// DuckDB

const duckdb = await (await DuckDBInstance.create(':memory:')).connect();

internal(
  '@duckdb/node-bindings',
  'vectors: validity by bits, short strings inline, long ones as pointers',
  'src/formats/parquet/binary/vector.ts, src/formats/parquet/binary/far_strings.ts',
  async () => {
    const long = 'x'.repeat(INLINE_BYTES + 1);
    const result = await duckdb.stream(
      `select n, text from (values (1, 'short'), (null, '${long}'), (3, '${long}${long}')) t (n, text)`,
    );
    const chunk = (await result.fetchChunk())!;
    const [numbers, texts] = readVectors(chunk.chunk, chunk.rowCount, [4, 16]);
    assert.deepEqual([isNull(numbers!, 0), isNull(numbers!, 1), isNull(numbers!, 2)], [false, true, false]);
    const view = new DataView(texts!.data.buffer, texts!.data.byteOffset);
    assert.equal(new DataView(numbers!.data.buffer, numbers!.data.byteOffset).getInt32(8, true), 3);
    assert.equal(Buffer.from(texts!.data).toString('utf8', 4, 4 + view.getUint32(0, true)), 'short');
    const far = new FarStrings();
    const out = Buffer.alloc(3 * long.length);
    far.add(texts!.data, 16 + 8, view.getUint32(16, true), 0);
    far.add(texts!.data, 32 + 8, view.getUint32(32, true), long.length);
    far.copy(texts!.data, out);
    assert.equal(out.toString(), long.repeat(3));
  },
);

internal(
  '@duckdb/node-api',
  'a stream of chunks of up to 2,048 rows ends with an empty chunk or null; blobs have bytes',
  'src/formats/parquet/row_stream.ts, src/formats/parquet/reader.ts',
  async () => {
    const result = await duckdb.stream("select 'a'::blob from range(5000)");
    const sizes: number[] = [];
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      sizes.push(chunk.rowCount);
      assert.deepEqual([...(chunk.getColumnVector(0).getItem(0) as DuckDBBlobValue).bytes], [97]);
    }
    assert.deepEqual(sizes, [2048, 2048, 904]);
  },
);

internal(
  '@duckdb/node-api',
  'the message of too little memory',
  'src/formats/parquet/errors.ts',
  async () => {
    const small = await (
      await DuckDBInstance.create(':memory:', { memory_limit: '10MB', threads: '1' })
    ).connect();
    await small.run("set temp_directory = ''");
    await assert.rejects(
      small.run("select list(repeat('x', 1000) || range) from range(1000000)"),
      (error: Error) => error.message.startsWith('Out of Memory'),
    );
  },
);

internal('@duckdb/node-api', 'the log of reads', 'src/formats/parquet/read_log.ts', async () => {
  const file = join(world.spoolDir, 'internals.parquet');
  await duckdb.run(`copy (select range as n from range(10)) to '${file}' (format parquet)`);
  await duckdb.run("call enable_logging('FileSystem')");
  await duckdb.run(`select sum(n) from '${file}'`);
  const found = await duckdb.runAndReadAll(
    "select count(*), min(pos), sum(bytes) from duckdb_logs_parsed('FileSystem') where op = 'READ'",
  );
  await duckdb.run('call disable_logging()');
  await duckdb.run('call truncate_duckdb_logs()');
  assert.ok(Number(found.getRows()[0]![0]) > 0);
});

// The console's assets

internal('idiomorph', 'dist/idiomorph.esm.js', 'console/assets.ts', () =>
  assert.ok(existsSync(join(packageRoot, 'node_modules/idiomorph/dist/idiomorph.esm.js'))),
);
