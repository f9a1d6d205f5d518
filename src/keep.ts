/**
 * How long idle sessions, readers and encoder threads are kept for the next file, in milliseconds. Longer than the minute of the default
 * schedule: a new reader takes half a second, and a new session compiles its functions again, which takes tens of milliseconds.
 * An idle reader takes about 150 MB.
 */
export const KEEP_MS = 180_000;
