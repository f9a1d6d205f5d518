/** A process that runs regular expressions on texts that mislead them. It prints each before, and ends with status 1 at one that takes long. */
import { readFileSync, writeSync } from 'node:fs';
import { misleadingTexts } from './misleading_texts.ts';

export interface Expression {
  place: string;
  source: string;
  flags: string;
}

const LENGTH = 10_000;
/**
 * Linear time takes a fraction of a millisecond for such a text, quadratic time a hundred. It is the
 * processor's time, and the least of a few tries, so a busy machine does not matter.
 */
const LONGEST_MS = 20;
const TRIES = 3;

function takesLong(expression: RegExp, text: string): boolean {
  const begun = process.cpuUsage();
  text.replace(expression, '');
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000 > LONGEST_MS;
}

for (const { place, source, flags } of JSON.parse(readFileSync(0, 'utf8')) as Expression[]) {
  writeSync(1, `${place} /${source}/${flags}\n`);
  const expression = new RegExp(source, flags);
  for (const text of misleadingTexts(source, flags, LENGTH)) {
    if (Array.from({ length: TRIES }).every(() => takesLong(expression, text))) {
      writeSync(1, `${JSON.stringify(text.slice(0, 60))}\n`);
      process.exit(1);
    }
  }
}
writeSync(1, 'done');
