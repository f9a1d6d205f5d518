/** Limits the answers of S3 and SQS that are read into memory: all but the bytes of objects. */
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { ConnectorError } from '../errors.ts';

/** The most bytes of an answer. LIST has the largest: 1,000 keys of up to 1 KiB, of which each byte may take three. */
const MAX_ANSWER_BYTES = 16 << 20;

/** Makes a client refuse answers that are too large. Otherwise a server that never ends its answer takes all memory. */
export function limitAnswers<Client extends { middlewareStack: object }>(client: Client): Client {
  const stack = client.middlewareStack as S3Client['middlewareStack'];
  stack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args);
        const response = result.response as { statusCode: number; body: unknown };
        const isObject = commandName === 'GetObjectCommand' && response.statusCode < 300;
        if (!isObject && response.body instanceof Readable)
          response.body = Readable.from(limitAnswer(response.body), { objectMode: false });
        return result;
      },
    // Before anybody reads the answer.
    { step: 'deserialize', name: 'limitAnswers', priority: 'low' },
  );
  return client;
}

/** @throws ConnectorError `answer_too_large` */
export async function* limitAnswer(body: Readable): AsyncGenerator<Buffer> {
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw tooLarge();
    yield chunk;
  }
}

function tooLarge(): ConnectorError {
  return new ConnectorError(
    'answer_too_large',
    `an answer has more than ${MAX_ANSWER_BYTES} bytes, which no answer of S3 or SQS has`,
    { hint: 'Look for a proxy, or another server, behind endpoint or event_queue_url of the connector.' },
  );
}
