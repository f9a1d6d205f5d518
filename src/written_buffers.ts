/** Tells the owner of a buffer when a socket has written it, so that it can be used again. */

/** Null: the buffer has come twice. */
const owners = new WeakMap<ArrayBufferLike, (() => void) | null>();

/**
 * Calls the owner when the bytes have been written. Never, if writing fails or the bytes never come to a socket; then the
 * garbage collector gets them. A buffer that comes twice may be in two writes, so it is left to the collector, too.
 */
export function whenWritten({ buffer }: Uint8Array, owner: () => void): void {
  owners.set(buffer, owners.has(buffer) ? null : owner);
}

/** To be called after the socket's callback: before, the system may still read the bytes. */
export function written({ buffer }: Uint8Array): void {
  const owner = owners.get(buffer);
  if (!owner) return;
  owners.delete(buffer);
  owner();
}
