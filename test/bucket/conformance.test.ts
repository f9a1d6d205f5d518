import { describe } from 'node:test';
import { authenticationSuite } from './conformance/authentication.ts';
import { bucketSuite } from './conformance/buckets.ts';
import { keySuite } from './conformance/keys.ts';
import { listingSuite } from './conformance/listing.ts';
import { randomListingSuite } from './conformance/random_listing.ts';
import { readingSuite } from './conformance/reading.ts';
import { reliedOnSuite } from './conformance/relied_on.ts';
import { uploadSuite } from './conformance/uploads.ts';
import { writingSuite } from './conformance/writing.ts';
import { otherTarget, ownTarget, type Target } from './target.ts';

const SUITES = [
  reliedOnSuite,
  bucketSuite,
  keySuite,
  listingSuite,
  randomListingSuite,
  readingSuite,
  writingSuite,
  uploadSuite,
  authenticationSuite,
];

function conformance(name: string, target: () => Promise<Target>): void {
  describe(name, () => {
    for (const suite of SUITES) suite(target);
  });
}

conformance('our own server', ownTarget);

const other = otherTarget();
if (other) conformance(`the server at ${other.endpoint}`, async () => other);
