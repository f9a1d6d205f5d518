/** Counts requests to S3. */
import type { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { countS3Request, countS3Retry } from '../metrics/counters.ts';
import type { ListCount } from './source.ts';

const OPERATIONS: Record<string, string> = {
  ListObjectsV2Command: 'LIST',
  GetObjectCommand: 'GET',
  HeadObjectCommand: 'HEAD',
};

/** Where a middleware sees each try of a request, within the SDK's own retries. */
const EACH_TRY = { step: 'finalizeRequest', priority: 'low' } as const;

/** Makes a client count every request, also each retry, because S3 bills them. */
export function countRequests(client: S3Client): S3Client {
  client.middlewareStack.add(
    (next, context) => {
      const name = context.commandName ?? '';
      const operation = OPERATIONS[name] ?? name;
      let tries = 0;
      return async (args) => {
        if (++tries > 1) countS3Retry(operation);
        try {
          const answer = await next(args);
          countS3Request(operation, 'success');
          return answer;
        } catch (error) {
          countS3Request(operation, 'error');
          throw error;
        }
      };
    },
    { ...EACH_TRY, name: 'countRequests' },
  );
  return client;
}

/** Makes a LIST add each of its requests to the count. */
export function countLists(command: ListObjectsV2Command, count: ListCount): void {
  command.middlewareStack.add(
    (next) => (args) => {
      count.requests += 1;
      return next(args);
    },
    { ...EACH_TRY, name: 'countLists' },
  );
}
