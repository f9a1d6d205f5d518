/** Counts requests to S3. */
import type { S3Client } from '@aws-sdk/client-s3';
import { countS3Request, countS3Retry } from '../metrics/counters.ts';

const OPERATIONS: Record<string, string> = {
  ListObjectsV2Command: 'LIST',
  GetObjectCommand: 'GET',
  HeadObjectCommand: 'HEAD',
};

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
    // Within the SDK's own retries.
    { step: 'finalizeRequest', name: 'countRequests', priority: 'low' },
  );
  return client;
}
