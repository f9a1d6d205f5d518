import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { S3Sources } from '../../src/sources/s3.ts';

// A server that never ends an answer. Its requests end, and its bytes are not kept.

const ENTRY = `<Contents><Key>${'k'.repeat(1000)}</Key><ETag>"1"</ETag><Size>1</Size></Contents>`;
const ENTRIES = ENTRY.repeat(1000);

let status = 200;
let sent = 0;
const server = createServer((_, response) => {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.write('<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>');
  pour(response);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => {
  server.closeAllConnections();
  server.close();
});

function pour(response: ServerResponse): void {
  while (!response.destroyed) {
    sent += ENTRIES.length;
    if (!response.write(ENTRIES)) break;
  }
  response.once('drain', () => pour(response));
}

const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const timeouts = { connectMs: 10_000, idleMs: 60_000, fetchMs: 60_000 };
const sources = new S3Sources({ allowedEndpoints: [endpoint], externalId: null, proxyEnv: null, timeouts });
after(() => sources.close());
const source = sources.open({
  name: 'endless',
  bucket: 'endless',
  region: 'us-east-1',
  endpoint,
  auth_method: 'anonymous',
  role_arn: null,
});

for (const code of [200, 403]) {
  test(`an endless answer with status ${code} to a LIST request fails, and is not kept`, async () => {
    status = code;
    sent = 0;
    const list = () =>
      source.probe({ prefix: '', delimiter: undefined, signal: AbortSignal.timeout(60_000) });
    await assert.rejects(list(), { code: 'answer_too_large', passing: false });
    // 16 MiB, and what is in the buffers of both sides.
    assert.ok(sent < 64_000_000, `${sent} bytes were sent`);
  });
}

test('an endless error in answer to a GET request fails, and is not kept', async () => {
  status = 500;
  sent = 0;
  const object = { key: 'k', etag: '"1"', sizeBytes: 1, lastModified: new Date() };
  await assert.rejects(source.open(object, { offset: 0, signal: AbortSignal.timeout(60_000) }), {
    code: 'answer_too_large',
  });
  // The SDK makes four tries of a request.
  assert.ok(sent < 4 * 64_000_000, `${sent} bytes were sent`);
});
