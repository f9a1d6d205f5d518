/** Formats log lines for people. */
import type { LogLine } from './log_line.ts';

const DIM = '2';
const COLORS = { info: '0', warn: '33', error: '31' };
/** Values that need no quotes. A key may contain anything, and escape sequences must not reach the terminal. */
const PLAIN = /^[\p{L}\p{N}\p{P}\p{S}]+$/u;

/** Returns a log line as text: `12:00:01 warn  import failed  connector=sensors key=a.csv`. */
export function toText({ time, level, event, ...fields }: LogLine, colors: boolean): string {
  const paint = (color: string, text: string) => (colors ? `\x1b[${color}m${text}\x1b[0m` : text);
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${paint(DIM, `${name}=`)}${show(value)}`);
  const head = `${paint(DIM, time.slice(11, 19))} ${paint(COLORS[level], `${level.padEnd(5)} ${event}`)}`;
  return pairs.length === 0 ? head : `${head}  ${pairs.join(' ')}`;
}

function show(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  if (PLAIN.test(value) && !value.includes('"')) return value;
  // JSON does not escape these.
  return JSON.stringify(value).replaceAll(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
