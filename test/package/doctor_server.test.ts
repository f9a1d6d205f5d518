import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { unsorted } from '../../embedded/bucket/listing_faults.ts';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { SERVER_CASES } from '../../src/conformance/verdict.ts';
import { runCli, spawnCli } from './run_cli.ts';

// doctor --bucket: is an S3-compatible server fit for the connector?

const credentials = { accessKeyId: 'doctor', secretAccessKey: 'doctor-secret' };
const server = await startBucketServer({ credentials: [credentials], region: 'eu-west-1' });
const BUCKET = 'trial';
server.store.createBucket(BUCKET, { region: 'eu-west-1' });
server.store.put(BUCKET, 'tried/kept.csv', 'n\n1\n');
after(() => server.close());
beforeEach(() => server.faults.clear());

const ENV = {
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
};
const ARGS = ['doctor', '--endpoint', server.endpoint, '--bucket', BUCKET, '--prefix=tried/'];
const doctor = (args = ARGS, env: Record<string, string> = {}) => runCli(args, { ...ENV, ...env });
const keys = () => [...server.store.bucket(BUCKET).keys];
const always = { times: Number.POSITIVE_INFINITY };

test('a server that does everything is fit, and the bucket is left as it was', async () => {
  const { code, stdout, stderr } = await doctor();
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout.match(/^ok {6}/gm)?.length, SERVER_CASES.length, stdout);
  assert.match(stdout, /^fit$/m);
  assert.match(stdout, /^Connectors may use it once the worker's S3_ALLOWED_ENDPOINTS has /m);
  assert.deepEqual(keys(), ['tried/kept.csv']);
});

test('a server that lists out of order is unfit, with status 1, and the bucket is left as it was', async () => {
  server.faults.order({ operation: 'ListObjectsV2', listing: unsorted, ...always });
  const { code, stdout } = await doctor();
  assert.equal(code, 1, stdout);
  assert.match(
    stdout,
    /^failed {2}keys are listed in the order of their UTF-8 bytes\n {8}one page has the keys: /m,
  );
  assert.match(stdout, /^unfit, because this fails: keys are listed in the order/m);
  server.faults.clear();
  assert.deepEqual(keys(), ['tried/kept.csv']);
});

test('Ctrl-C ends it with status 130, and the bucket is left as it was', async () => {
  const child = spawnCli(ARGS, ENV);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let output = '';
  for await (const chunk of child.stdout!.setEncoding('utf8')) {
    output += chunk;
    // A second one would end it at once.
    if (/^ok {6}/m.test(output) && !child.killed) child.kill('SIGINT');
  }
  assert.equal(await ended, 130, output);
  assert.match(output, /\nInterrupted\.\n$/);
  assert.deepEqual(keys(), ['tried/kept.csv']);
});

test('a bucket that cannot be read is no verdict', async () => {
  const { code, stdout, stderr } = await doctor([...ARGS.slice(0, 4), 'no-such-bucket']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^there is no bucket no-such-bucket\b.*\(bucket_missing\)\n/);
  const denied = await doctor(ARGS, { AWS_SECRET_ACCESS_KEY: 'wrong' });
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /credentials.*\(bad_credentials\)/);
});

test('a bucket that cannot be written is no verdict', async () => {
  server.faults.order({ operation: 'PutObject', error: { status: 403, code: 'AccessDenied' } });
  const { code, stderr } = await doctor();
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^nothing can be written below tried\/.* in bucket trial: .*\(cannot_write\)\n.*s3:PutObject/,
  );
});

test('wrong options say what is expected', async () => {
  for (const [args, expected] of [
    [
      ['doctor', '--endpoint', server.endpoint],
      /--bucket must be the name of a bucket; it is missing \(bad_option\)/,
    ],
    [['doctor', '--bucket', 'b', '--endpoint', 'minio:9000'], /--endpoint must be a URL/],
    [['doctor', '--bucket', 'b', '--path-style', 'yes'], /--path-style must be true or false; it is "yes"/],
  ] as const) {
    const { code, stderr } = await doctor([...args]);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
  const unknown = await doctor(['doctor', '--buckets', 'b']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /Unknown option '--buckets'.*\nRun pg-s3-connector doctor --help/s);
  assert.match((await doctor(['doctor', '--help'])).stdout, /^ {2}--endpoint URL +The S3-compatible server/m);
});
