import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { reasonOf } from '../../src/formats/parquet/errors.ts';
import { packageRoot } from '../../src/paths.ts';
import type { Expression } from './attack_expressions.ts';

// Keys, values, headers and error texts are foreign. No regular expression may take more than linear time on them.

/** A literal, where an expression may begin. */
const LITERAL =
  /(?<=[(,=:?!&|[;{}>]\s*|return\s+)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/g;

/** Those whose texts are our own: SQL files, and the settings of this process. */
const OWN_TEXTS = ['src/db/statements.ts', 'src/db/hosts.ts'];
/** Expressions that only see the end of a text, of bounded length. */
const OF_SHORT_TEXTS = ['^COPY .+?, line '];

async function findExpressions(): Promise<Expression[]> {
  const found: Expression[] = [];
  for await (const file of glob(['src/**/*.ts', 'console/**/*.{ts,js}'], { cwd: packageRoot })) {
    if (OWN_TEXTS.includes(file)) continue;
    const text = await readFile(join(packageRoot, file), 'utf8');
    for (const [, source, flags] of text.matchAll(LITERAL))
      if (!OF_SHORT_TEXTS.some((start) => source!.startsWith(start)))
        found.push({ place: file, source: source!, flags: flags! });
  }
  return found;
}

/** Ends an expression that takes for ever. All of them together take a few seconds. */
const CPU_SECONDS = 120;
const ATTACK = join(import.meta.dirname, 'attack_expressions.ts');

test('no regular expression takes more than linear time on a long text', async () => {
  const expressions = await findExpressions();
  assert.ok(expressions.length > 70, `found only ${expressions.length} expressions`);
  const { stdout } = spawnSync(
    'sh',
    ['-c', `ulimit -t ${CPU_SECONDS}; exec "$0" "$1"`, process.execPath, ATTACK],
    { input: JSON.stringify(expressions), encoding: 'utf8' },
  );
  const lines = stdout.split('\n');
  assert.equal(lines.at(-1), 'done', `too slow: ${lines.slice(-3).join(' ')}`);
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
