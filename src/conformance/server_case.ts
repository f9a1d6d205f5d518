/**
 * A "server case": one thing that an S3 server does, and for what the connector relies on it. `doctor` tries the cases on a
 * person's own server, and the tests on the server of embedded/.
 */
import type { Trial } from './trial.ts';

export interface ServerCase {
  /** What the server does, as a fact. */
  name: string;
  /** What the connector needs it for. */
  reliedOn: string;
  /** `required`: without it files would be lost or fail. `wanted`: the connector works without it, but `otherwise` matters. */
  level: 'required' | 'wanted';
  /** What follows if the server does not, and what to do. */
  otherwise: string;
  /** @throws Deviation, or the error of a request that must succeed */
  run(trial: Trial): Promise<void>;
}
