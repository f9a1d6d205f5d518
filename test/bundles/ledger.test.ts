import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seeded } from '../support/random.ts';
import { openWorld, type World } from '../support/world.ts';
import { csv, importFiles, transactions } from './files.ts';

const FILES = 60;

/** Returns files of which some of the first ones are bad. After a bundle that failed, files go alone for a while. */
function randomFiles(random: Random): string[] {
  return Array.from({ length: FILES }, (_, file) => {
    switch (file < 20 ? random(8) : random(4) + 4) {
      case 0:
        return csv(file).replace(/,2,/, ',two,');
      case 1:
        return csv(file).replace('value', 'unknown');
      case 2:
        return `${csv(file)}${file},"never closed`;
      case 3:
        return '';
      case 4:
        return csv(file, '');
      default:
        return csv(file);
    }
  });
}

interface Outcome {
  ledger: unknown;
  history: unknown;
  rows: unknown;
  totals: unknown;
  transactions: number;
}

/** Imports files with a worker of its own, and returns all that the database says of them, but for times and ids. */
async function outcomeOf(
  world: World,
  name: string,
  bodies: string[],
  bundleFiles: number,
): Promise<Outcome> {
  const { db } = world;
  const worker = await world.startWorker({
    WORKER_CONCURRENCY: '1',
    IMPORT_BUNDLE_FILES: String(bundleFiles),
  });
  await importFiles(world, name, { files: FILES, on_bad_row: 'skip', bodyOf: (file) => bodies[file]! });
  const number = "split_part(key, '/', 2)";
  const outcome = {
    ledger: await db.query(
      `select ${number} as file, status, attempts, rows_read, rows_imported, rows_rejected, rows_skipped, size_bytes,
          error_code, replace(error_message, $1, '') as error, notice, lineage[3] as lineage
        from s3_connector.files where connector_name = $1 order by key`,
      [name],
    ),
    history: await db.query(
      `select ${number} as file, from_status, to_status, attempt, replace(message, $1, '') as message
        from s3_connector.file_history where connector_name = $1 order by key, at`,
      [name],
    ),
    rows: await db.query(
      `select ${number} as of_file, t.file, t.n, t.value from ${name} t join s3_connector.files f on f.id = t.file_id
        order by 1, 2, 3, 4`,
    ),
    totals: await db.query(
      'select success, failure, rows_total, bytes_total from s3_connector.connector_status where name = $1',
      [name],
    ),
    transactions: await transactions(world, name),
  };
  await worker.end('SIGTERM');
  return outcome;
}

test('the ledger with bundles equals the ledger without', async () => {
  const world = await openWorld();
  const bodies = randomFiles(seeded(17));
  const alone = await outcomeOf(world, 'alone', bodies, 1);
  const bundled = await outcomeOf(world, 'bundled', bodies, 7);
  assert.deepEqual({ ...bundled, transactions: 0 }, { ...alone, transactions: 0 });
  assert.ok(bundled.transactions < alone.transactions, 'some files came together');
});
