/** Limits the messages that the server sends. */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { ConnectorError } from '../errors.ts';

/**
 * The most bytes of one message. pg collects a message before it reads it, and one of half a gigabyte ends the process. Code of a
 * connector's owner chooses what rows and errors hold.
 */
const MAX_MESSAGE_BYTES = 64 << 20;
/** A message begins with its type, one byte, and its length, four bytes that count themselves. */
const HEADER_BYTES = 5;

/** pg's method that begins to read a connection, which its types do not declare. */
interface WithListeners extends pg.Connection {
  attachListeners(stream: Socket): void;
}

/** Ends a connection on which a message is too large, with `message_too_large`, before pg collects the message. */
export function limitMessages(connection: pg.Connection): void {
  const limited = connection as WithListeners;
  const { attachListeners } = limited;
  limited.attachListeners = (stream) => {
    const length = new MessageLengths();
    stream.on('data', (chunk: Buffer) => {
      if (length.largestIn(chunk) > MAX_MESSAGE_BYTES) stream.destroy(tooLarge());
    });
    attachListeners.call(connection, stream);
  };
}

/** Reads the lengths of messages from a stream of chunks. */
class MessageLengths {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the current message that are still to come. */
  #left = 0;

  /** Returns the length of the largest message that begins in the chunk; 0 if none does. */
  largestIn(chunk: Buffer): number {
    let largest = 0;
    for (let position = 0; position < chunk.length; ) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - position);
        this.#left -= skipped;
        position += skipped;
        continue;
      }
      const copied = chunk.copy(
        this.#header,
        this.#headerBytes,
        position,
        position + HEADER_BYTES - this.#headerBytes,
      );
      position += copied;
      this.#headerBytes += copied;
      if (this.#headerBytes < HEADER_BYTES) break;
      this.#headerBytes = 0;
      const length = this.#header.readUInt32BE(1);
      largest = Math.max(largest, length);
      this.#left = length + 1 - HEADER_BYTES;
    }
    return largest;
  }
}

function tooLarge(): ConnectorError {
  return new ConnectorError(
    'message_too_large',
    `PostgreSQL sent a message of more than ${MAX_MESSAGE_BYTES} bytes: a row, or an error`,
    { hint: "Look at what on_import returns, and at the errors that the table's triggers raise." },
  );
}
