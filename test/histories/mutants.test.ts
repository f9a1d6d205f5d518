import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/paths.ts';
import { testDatabase } from '../support/database.ts';
import { isInWorker, MUTANTS, mutateDatabase, replaceOnce } from './mutants.ts';

// Only `npm run histories -- --mutants` runs them. What they change must still be there.

for (const mutant of MUTANTS) {
  test(`a mutant can be made: ${mutant.name}`, async () => {
    const inWorker = mutant.changes.filter(isInWorker);
    for (const change of inWorker)
      replaceOnce(await readFile(join(packageRoot, change.where), 'utf8'), change);
    if (inWorker.length < mutant.changes.length) await mutateDatabase(await testDatabase(), mutant);
  });
}
