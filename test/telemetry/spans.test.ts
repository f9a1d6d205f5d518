import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { readConfig } from '../../src/config.ts';
import { setLog } from '../../src/log.ts';
import { startWorker, type Worker } from '../../src/worker/worker.ts';
import { until } from '../support/until.ts';
import { openWorld } from '../support/world.ts';

// The worker runs in this process, with an SDK that keeps its spans.
const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const world = await openWorld();
const { db } = world;
let worker: Worker;

before(async () => {
  setLog({ format: 'json', level: 'error' });
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'reader',
    AWS_SECRET_ACCESS_KEY: 'reader-secret',
    AWS_REGION: 'us-east-1',
  });
  worker = await startWorker(
    readConfig({
      DATABASE_URL: db.workerUrl,
      IMPORT_DATABASE_URL: db.importUrl,
      SPOOL_DIR: world.spoolDir,
      S3_ALLOWED_ENDPOINTS: world.server.endpoint,
    }),
  );
  await db.query('create table seen (a integer)');
});
after(() => worker.stop());

/** The spans of a file, or of a connector's polls; waits for the one that ends last. */
async function spansOf(last: string, of: Record<string, unknown>): Promise<ReadableSpan[]> {
  const found = () =>
    exporter
      .getFinishedSpans()
      .filter(({ attributes }) => Object.entries(of).every(([name, value]) => attributes[name] === value));
  await until(`the span ${last} has ended`, () => found().some(({ name }) => name === last));
  return found();
}

test('an attempt is a span, with fetch, read, copy and record within it', async () => {
  const body = 'a\n1\n2\n3\n';
  world.put('seen/1.csv', body);
  await world.insertConnector({ name: 'seen', pattern: 'seen/*', target_table: 'seen' });
  await world.settled('seen');
  const spans = await spansOf('attempt', { 'aws.s3.key': 'seen/1.csv' });
  const named = new Map(spans.map((span) => [span.name, span]));
  assert.deepEqual(spans.map(({ name }) => name).sort(), ['attempt', 'copy', 'fetch', 'read', 'record']);
  const attempt = named.get('attempt')!;
  for (const span of spans) {
    assert.equal(span.attributes['aws.s3.bucket'], world.bucket);
    assert.equal(span.attributes['s3_connector.name'], 'seen');
    assert.equal(span.status.code, SpanStatusCode.UNSET);
    if (span === attempt) continue;
    assert.equal(span.spanContext().traceId, attempt.spanContext().traceId);
    assert.equal(span.parentSpanContext?.spanId, attempt.spanContext().spanId, span.name);
  }
  assert.equal(attempt.parentSpanContext, undefined);
  assert.equal(attempt.attributes['s3_connector.attempt'], 1);
  assert.equal(attempt.attributes['s3_connector.rows'], 3);
  assert.equal(attempt.attributes['s3_connector.bytes'], body.length);
  assert.equal(named.get('fetch')!.attributes['s3_connector.bytes'], body.length);
  assert.equal(named.get('copy')!.attributes['s3_connector.rows'], 3);

  const lists = await spansOf('list', { 's3_connector.name': 'seen' });
  const list = lists.find(({ name }) => name === 'list')!;
  assert.equal(list.attributes['s3_connector.keys'], 1);
  assert.equal(list.attributes['aws.s3.key'], undefined);
});

test('the spans of a failed attempt have the code of its error, and no value of the file', async () => {
  world.put('failed/1.csv', 'a\nsecret\n');
  await world.insertConnector({ name: 'failed', pattern: 'failed/*', target_table: 'seen' });
  const [file] = await world.settled('failed');
  const spans = await spansOf('attempt', { 'aws.s3.key': 'failed/1.csv' });
  const failed = spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
  assert.deepEqual(failed.map(({ name }) => name).sort(), ['attempt', 'copy']);
  for (const { attributes } of failed) assert.equal(attributes['error.type'], file!.error_code);
  const all = JSON.stringify(spans.map(({ attributes, events, status }) => [attributes, events, status]));
  assert.doesNotMatch(all, /secret/);
});

test('a download that breaks off is a failed fetch', async () => {
  world.put('gone/1.csv', 'a\n1\n');
  const deleted = world.server.faults.order({
    operation: 'GetObject',
    key: 'gone/1.csv',
    error: { status: 403, code: 'AccessDenied' },
    times: 100,
  });
  await world.insertConnector({ name: 'gone', pattern: 'gone/*', target_table: 'seen' });
  const [file] = await world.settled('gone');
  deleted.cancel();
  const spans = await spansOf('attempt', { 'aws.s3.key': 'gone/1.csv' });
  assert.deepEqual(spans.map(({ name, attributes }) => [name, attributes['error.type']]).sort(), [
    ['attempt', file!.error_code],
    ['fetch', file!.error_code],
  ]);
});
