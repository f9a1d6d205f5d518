import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { FORMATS } from '../../src/formats/registry.ts';

// A format is one file and its folder. Formats share what is beside them, and know neither each other nor the worker.

const ROOT = join(import.meta.dirname, '../..');
const IMPORT = /^(?:import|export)\s(?:(?!;)[\s\S])*?from\s+'(\.[^']+)';/gm;
const names = Object.keys(FORMATS);

const filesOf = (name: string) =>
  globSync([`src/formats/${name}.ts`, `src/formats/${name}/**/*.ts`], { cwd: ROOT });
const isOf = (name: string, file: string) =>
  file === `src/formats/${name}.ts` || file.startsWith(`src/formats/${name}/`);

/** The files that a file imports. `types` includes imports that are gone when it runs. */
function importsOf(file: string, types: boolean): string[] {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)]
    .filter(([statement]) => types || !/^(import|export) type/.test(statement))
    .map(([, path]) => relative(ROOT, join(ROOT, dirname(file), path!)));
}

/** Every file that these import themselves, and what those load when they run, each with the chain that leads to it. */
function reachedFrom(files: string[]): Map<string, string> {
  const chains = new Map(files.map((file) => [file, file]));
  for (const [file, chain] of chains) {
    for (const imported of importsOf(file, files.includes(file)))
      if (!chains.has(imported)) chains.set(imported, `${chain} -> ${imported}`);
  }
  return chains;
}

function chainsTo(files: string[], isForbidden: (file: string) => boolean): string[] {
  return [...reachedFrom(files)].filter(([file]) => isForbidden(file)).map(([, chain]) => chain);
}

test('this test sees imports', () => {
  for (const name of names) assert.ok(reachedFrom(filesOf(name)).size > filesOf(name).length + 3, name);
});

for (const name of names) {
  test(`${name} stands on no other format`, () => {
    const others = names.filter((other) => other !== name);
    assert.deepEqual(
      chainsTo(filesOf(name), (file) => others.some((other) => isOf(other, file))),
      [],
    );
  });
}

test('the parsers and encoders of values stand on no format', () => {
  const files = [...filesOf('pg_text'), ...filesOf('pg_binary')];
  assert.ok(files.length > 5);
  assert.deepEqual(
    chainsTo(files, (file) => names.some((name) => isOf(name, file))),
    [],
  );
});

test('formats do not know the worker or its tasks', () => {
  assert.deepEqual(
    chainsTo(filesOf('**'), (file) => /^(src\/worker|tasks)\//.test(file)),
    [],
  );
});
