import { after, before, describe } from 'node:test';
import type { S3Client } from '@aws-sdk/client-s3';
import { clientOf, type Target } from '../target.ts';

/** The client and bucket of a suite's tests; both exist once its tests run. */
export interface Subject {
  readonly target: Target;
  readonly client: S3Client;
}

/** Tests that hold for every server that speaks S3. */
export type Suite = (start: () => Promise<Target>) => void;

export function suite(name: string, tests: (subject: Subject) => void): Suite {
  return (start) => {
    describe(name, () => {
      let target: Target | undefined;
      let client: S3Client | undefined;
      before(async () => {
        target = await start();
        client = clientOf(target);
      });
      after(async () => {
        client?.destroy();
        await target?.close();
      });
      tests({
        get target() {
          return target as Target;
        },
        get client() {
          return client as S3Client;
        },
      });
    });
  };
}
