import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of buffers that have come and gone before their memory is freed: below what makes V8 mark the whole heap. */
const TO_FREE = 2 << 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;

let passed = 0;

/**
 * Notes that so many bytes went through buffers that had just been made and are done with, as those that sockets and files
 * are read into. Their memory is outside of V8's heap, which grows so little that its young part is hardly ever
 * collected; instead V8 marks the whole heap every 10 MB of them, also on threads besides. That took a fifth of the CPU
 * time of an import. Collecting the young part takes a millisecond. Counts by thread.
 */
export function passedThrough(bytes: number): void {
  passed += bytes;
  if (passed < TO_FREE) return;
  passed = 0;
  collect({ type: 'minor' });
}
