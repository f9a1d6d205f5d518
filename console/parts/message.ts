/** Error messages, as the database keeps them: the key of the file, what happened, and then what helps. */

export interface Message {
  /** What happened. */
  what: string;
  /** What helps, as further sentences. */
  hint: string | undefined;
}

/** Splits a message. The key is left out, because it is next to the message. */
export function readMessage(message: string, key?: string): Message {
  const text = key !== undefined && message.startsWith(`${key}: `) ? message.slice(key.length + 2) : message;
  const [, what = text, hint] = /^(.+?)\.\s(?=[A-Z])(.+)$/s.exec(text) ?? [];
  return { what, hint };
}
