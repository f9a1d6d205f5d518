import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { clientOf, type Target } from '../bucket/target.ts';
import { runCli } from '../package/run_cli.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';
import { FOREIGN_SERVERS } from './foreign_server.ts';

// The whole product on S3 servers of others, where they are on the machine.

const world = await openWorld();
const { db } = world;
const BUCKET = `product-${randomBytes(4).toString('hex')}`;
/** How many files each of the two large folders has. */
const FILES = Number(process.env.FOREIGN_FILES ?? 110);

const names = (folder: string, from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `${folder}/${String(from + index).padStart(5, '0')}.csv`);
/** `dev/pump/` is crowded: `dev/pump-old/` sorts before it. */
const KEYS = [
  ...names('dev/pump-old', 0, FILES),
  ...names('dev/pump', 0, FILES),
  'dev/pump.csv',
  'dev/pump0/1.csv',
  'dev/a b+c%41 \u00e9&/1.csv',
  'dev/zz.csv',
];

for (const { name, skip, start } of FOREIGN_SERVERS) {
  describe(name, { skip }, () => {
    let target: Target;
    let client: S3Client;
    before(async () => {
      target = await start();
      client = clientOf(target, { requestChecksumCalculation: 'WHEN_REQUIRED' });
      await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    });
    after(async () => {
      await world.stopWorkers();
      client?.destroy();
      await target?.close();
    });

    const env = () => ({
      AWS_ACCESS_KEY_ID: target.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: target.credentials.secretAccessKey,
      S3_ALLOWED_ENDPOINTS: target.endpoint,
    });

    test('doctor finds it fit', async () => {
      const args = ['doctor', '--endpoint', target.endpoint, '--bucket', BUCKET, '--prefix', 'tried/'];
      const { code, stdout, stderr } = await runCli(args, env());
      assert.deepEqual([code, stderr], [0, ''], stdout);
      assert.match(stdout, /^fit/m);
    });

    test('every key is imported once, also in a crowded folder, and new keys after the marker', async () => {
      const connector = `on_${name}`;
      await putAll(client, KEYS);
      await world.startWorker(env());
      await world.insertConnector({
        schedule: NEVER_AGAIN,
        name: connector,
        bucket: BUCKET,
        endpoint: target.endpoint,
        pattern: 'dev/**/*.csv',
        target_table: connector,
      });
      const files = await world.settled(connector);
      assert.deepEqual(new Set(files.map(({ status }) => status)), new Set(['success']));
      assert.deepEqual(files.map(({ key }) => key).sort(), [...KEYS].sort());
      const later = ['dev/zzz/1.csv', 'dev/zzz/2.csv'];
      await putAll(client, later);
      const all = await world.pollAndSettle(connector);
      assert.deepEqual(all.map(({ key }) => key).sort(), [...KEYS, ...later].sort());
      const { rows, keys } = await db.one<{ rows: number; keys: number }>(
        `select count(*) as rows, count(distinct key) as keys from ${connector}`,
      );
      assert.deepEqual([rows, keys], [KEYS.length + 2, KEYS.length + 2]);
    });
  });
}

async function putAll(client: S3Client, keys: string[]): Promise<void> {
  const rest = keys.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const Key of rest)
        await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: `key\n"${Key}"\n` }));
    }),
  );
}
