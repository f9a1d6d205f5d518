import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SERVER_CASES } from '../../../src/conformance/verdict.ts';
import { openTrial } from '../open_trial.ts';
import { newBucket } from '../target.ts';
import { suite } from './suite.ts';

/** What the connector relies on: the cases that `doctor` tries on a person's own server. */
export const reliedOnSuite = suite('what the connector relies on', (subject) => {
  for (const [index, one] of SERVER_CASES.entries()) {
    test(one.name, async () => {
      await using bucket = await newBucket(subject.client);
      const { trial, close } = openTrial(subject, bucket.name);
      try {
        await one.run(trial.within(String(index)));
        assert.deepEqual(await trial.clean(), []);
      } finally {
        close();
      }
    });
  }
});
