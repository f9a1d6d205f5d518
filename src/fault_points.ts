import { setTimeout as delay } from 'node:timers/promises';

/** Moments of a worker's life at which it is worst to die. */
export type FaultPoint =
  | 'attempt_begun'
  | 'fetching'
  | 'copying'
  | 'copied'
  | 'committed'
  | 'failure_recorded'
  | 'listed'
  | 'enqueued';

/** The one at which this process is to kill itself: for tests only, and off unless the environment names one. */
const armed = process.env.FAULT_POINT;

/** How long what was handed out has to reach PostgreSQL, in milliseconds. */
const ON_ITS_WAY_MS = 100;

/** Kills this process where the environment says so. SIGKILL, because nothing may be tidied up. */
export function faultPoint(point: FaultPoint): void {
  if (armed === point) process.kill(process.pid, 'SIGKILL');
}

/** The same data; where the environment says so, this process kills itself once the first of it is gone. */
export function faultPointAmid(
  point: FaultPoint,
  data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): typeof data {
  return armed === point ? cutOff(point, data) : data;
}

async function* cutOff(
  point: FaultPoint,
  data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of data) {
    yield chunk;
    await delay(ON_ITS_WAY_MS);
    faultPoint(point);
  }
}
