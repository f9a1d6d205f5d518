/** A "deviation": an answer of a server that a case does not expect. */

/** Its message says what the server did. */
export class Deviation extends Error {}

/** Longer values are cut in messages, in characters. */
const MAX_LENGTH = 200;

/** @throws Deviation */
export function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== wanted) throw new Deviation(`${what}: ${cut(got)} instead of ${cut(wanted)}`);
}

function cut(text: string | undefined): string {
  if (text === undefined) return 'nothing';
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH).toWellFormed()} ...`;
}
