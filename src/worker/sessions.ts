/** Counts the connections of a worker. */
import type { Config } from '../config.ts';
import { aboutImportUrl } from '../db/refusal.ts';
import type { Purpose } from '../db/session_settings.ts';
import { AUDIT_PLACES, POLL_PLACES, REQUEST_PLACES, SHARES } from './shares.ts';

type WorkerPurpose = Exclude<Purpose, 'console' | 'console live' | 'migrate' | 'probe'>;

/** Returns, by purpose, the most connections that a worker has at once. */
export function connectionsOf(concurrency: number): Readonly<Record<WorkerPurpose, number>> {
  return {
    cancel: 1,
    // Each import, poll and audit has one, because it may wait for a person's transaction. The rest share four.
    control: concurrency + POLL_PLACES + AUDIT_PLACES + 4,
    health: 1,
    import_file: concurrency,
    listen: 1,
    // Each share LISTENs on one. Each import and poll has one, because completing its job may wait for a person's transaction.
    // The rest share two.
    queue: SHARES + concurrency + POLL_PLACES + 2,
    request: REQUEST_PLACES,
    worker: 1,
  };
}

/** The sessions of the login for imports. */
const OF_IMPORTS: readonly Purpose[] = ['cancel', 'import_file', 'request'];

/**
 * Calls a function for each URL of a worker, which may be the same, with the most connections that a worker has to it.
 * @returns how many connections these are
 */
export async function forEachUrl(
  {
    databaseUrl,
    importDatabaseUrl,
    concurrency,
  }: Pick<Config, 'databaseUrl' | 'importDatabaseUrl' | 'concurrency'>,
  run: (url: string, connections: number) => Promise<void>,
): Promise<number> {
  const purposes = Object.entries(connectionsOf(concurrency)) as [WorkerPurpose, number][];
  const sum = (of: typeof purposes) => of.reduce((total, [, connections]) => total + connections, 0);
  const imports =
    databaseUrl === importDatabaseUrl ? [] : purposes.filter(([one]) => OF_IMPORTS.includes(one));
  await run(databaseUrl, sum(purposes) - sum(imports));
  if (imports.length > 0)
    await run(importDatabaseUrl, sum(imports)).catch((error) => {
      throw aboutImportUrl(error);
    });
  return sum(purposes);
}
