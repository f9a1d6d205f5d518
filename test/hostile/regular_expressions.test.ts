import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { reasonOf } from '../../src/formats/parquet/errors.ts';
import { packageRoot } from '../../src/paths.ts';

// Keys, values, headers and error texts are foreign. No regular expression may take more than linear time on them.

/** A literal, where an expression may begin. */
const LITERAL =
  /(?<=[(,=:?!&|[;{}>]\s*|return\s+)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/g;

/** Those whose texts are our own: SQL files, and the settings of this process. */
const OWN_TEXTS = ['src/db/statements.ts'];

async function findExpressions(): Promise<{ place: string; source: string; flags: string }[]> {
  const found: { place: string; source: string; flags: string }[] = [];
  for await (const file of glob(['src/**/*.ts', 'console/**/*.{ts,js}'], { cwd: packageRoot })) {
    if (OWN_TEXTS.includes(file)) continue;
    const text = await readFile(join(packageRoot, file), 'utf8');
    for (const [, source, flags] of text.matchAll(LITERAL))
      found.push({ place: file, source: source!, flags: flags! });
  }
  return found;
}

const LENGTH = 10_000;
/**
 * Linear time takes a fraction of a millisecond for such a text, quadratic time a hundred. It is the
 * processor's time, and the least of a few tries, so a busy machine does not matter.
 */
const LONGEST_MS = 20;
const TRIES = 3;
/** Ends an expression that takes for ever. All of them together take a few seconds. */
const CPU_SECONDS = 120;

/** Runs every expression on texts made to mislead it; prints each before it runs, and stops at one that takes too long. */
const ATTACK = `
  const { readFileSync, writeSync } = require('node:fs');
  const expressions = JSON.parse(readFileSync(0, 'utf8'));
  const takesLong = (expression, text) => {
    const begun = process.cpuUsage();
    text.replace(expression, '');
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000 > ${LONGEST_MS};
  };
  for (const { place, source, flags } of expressions) {
    writeSync(1, place + ' /' + source + '/' + flags + '\\n');
    const expression = new RegExp(source, flags);
    // Its own characters, and some that its classes may contain.
    const own = [...source.replace(/\\\\[a-zA-Z]/g, '')].filter((c) => !/[()[\\]|*+?{}^$\\\\]/.test(c));
    const alphabet = [...new Set([...own, 'a', '0', ' ', '\\n', '/', '-', '"', '\\\\', '%', '='])];
    const parts = [...alphabet, own.join(''), ...alphabet.slice(0, 12).flatMap((a) => alphabet.slice(0, 12).map((b) => a + b))];
    for (const part of new Set(parts)) {
      if (part === '') continue;
      for (const text of [part.repeat(${LENGTH} / part.length) + '\\u0001', '\\u0001' + part.repeat(${LENGTH} / part.length) + '\\u0001']) {
        if (Array(${TRIES}).fill(text).every((same) => takesLong(expression, same))) process.exit(1);
      }
    }
  }
  writeSync(1, 'done');
`;

test('no regular expression takes more than linear time on a long text', async () => {
  const expressions = await findExpressions();
  assert.ok(expressions.length > 70, `found only ${expressions.length} expressions`);
  const { stdout } = spawnSync(
    'sh',
    ['-c', `ulimit -t ${CPU_SECONDS}; exec "$0" -e "$1"`, process.execPath, ATTACK],
    {
      input: JSON.stringify(expressions),
      encoding: 'utf8',
    },
  );
  const lines = stdout.split('\n');
  assert.equal(lines.at(-1), 'done', `too slow: ${lines.at(-2)}`);
});

test('the reason of an error about a Parquet file has no local path', () => {
  const cases: Record<string, string> = {
    'IO Error: Cannot open file "/tmp/spool/h.1/import.7": No such file':
      'IO Error: Cannot open file: No such file',
    "No files found that match '/var/x/y.parquet'": 'No files found that match',
    'Failed to read /tmp/a/b.parquet: too short\nPossible solutions': 'Failed to read: too short',
    '10 / 2 and /a stay': '10 / 2 and /a stay',
  };
  for (const [message, reason] of Object.entries(cases)) assert.equal(reasonOf({ message }), reason);
});
