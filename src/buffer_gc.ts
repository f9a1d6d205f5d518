/** Runs V8's minor garbage collection for discarded buffers, before V8 would mark the whole heap for them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of discarded buffers that trigger a collection. V8 marks the whole heap at some 10 MB. */
const COLLECT_BYTES = 2 << 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;

let discarded = 0;

/**
 * Counts bytes of short-lived buffers that were discarded, and collects the young generation every 2 MiB (1 ms). Call it
 * where sockets and files are read. Counts for each thread.
 *
 * The memory of buffers is outside of V8's heap. That heap grows so little that V8 hardly ever collects its young
 * generation; instead it marks the whole heap every 10 MB of buffers, which took a fifth of the CPU time of an import.
 */
export function countDiscardedBytes(bytes: number): void {
  discarded += bytes;
  if (discarded < COLLECT_BYTES) return;
  discarded = 0;
  collect({ type: 'minor' });
}
