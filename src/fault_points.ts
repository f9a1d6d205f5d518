/** For tests only: "fault points", moments at which a worker kills itself if the environment variable FAULT_POINT names one. */
import { setTimeout as delay } from 'node:timers/promises';

/** The moments at which it is worst to die. */
export type FaultPoint =
  | 'attempt_begun'
  | 'fetching'
  | 'copying'
  | 'copied'
  | 'committed'
  | 'failure_recorded'
  | 'listed'
  | 'enqueued';

const armed = process.env.FAULT_POINT;

/** How long the data before the kill has to reach PostgreSQL, in milliseconds. */
const FLUSH_MS = 100;

/** Kills this process if FAULT_POINT names the point. With SIGKILL, so that no cleanup runs. */
export function faultPoint(point: FaultPoint): void {
  if (armed === point) process.kill(process.pid, 'SIGKILL');
}

/** Returns the same data. If FAULT_POINT names the point, this process kills itself after the first chunk. */
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
    await delay(FLUSH_MS);
    faultPoint(point);
  }
}
