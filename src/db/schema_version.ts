/** Compares the version of the database's schema with this program, and notices when a "newer" one migrates it. */
import { type Kysely, sql } from 'kysely';
import { Coalesced } from '../coalesce.ts';
import { ConnectorError } from '../errors.ts';
import { version } from '../version.ts';
import type { Control } from './control.ts';
import type { Database } from './schema.ts';

/** On this channel `record_version` notifies workers of a migration. */
const CHANNEL = 's3_connector_version';

/**
 * Refuses a database that a newer version has migrated.
 * @param known names of this version's migrations
 * @throws ConnectorError `schema_newer`
 */
export async function refuseNewerSchema(db: Kysely<Database>, known: readonly string[]): Promise<void> {
  const newer = (await appliedVersions(db)).find((other) => isNewer(other, version));
  const unknown = (await appliedMigrations(db))
    .map(({ name }) => name)
    .filter((name) => !known.includes(name));
  if (newer === undefined && unknown.length === 0) return;
  const by = newer === undefined ? `with ${unknown.join(', ')}` : `by version ${newer}`;
  throw new ConnectorError(
    'schema_newer',
    `the database was migrated ${by}, which is newer than this worker's version ${version}`,
    {
      hint: 'Run the newer version. Nothing was changed, and the newer workers take over the files of this one.',
    },
  );
}

/**
 * Watches the schema: compares again after each migration, and after each lost connection.
 * @param onNewer called with `schema_newer` when a newer version has migrated the database
 * @returns a function that stops watching; it resolves when no comparison runs, so that connections can be closed
 */
export async function watchSchema(
  { listener, db }: Control,
  known: readonly string[],
  onNewer: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const comparisons = new Coalesced(() =>
    refuseNewerSchema(db, known).catch((error) => {
      // Errors of the connection are handled elsewhere.
      if (error instanceof ConnectorError) onNewer(error);
    }),
  );
  let closed = false;
  const compare = () => {
    if (!closed) void comparisons.request();
  };
  await listener.listen(CHANNEL, compare, compare);
  return async () => {
    closed = true;
    await comparisons.settled();
  };
}

/** Returns the digest of the last migration; null in a database that was never migrated. */
export async function appliedDigest(db: Kysely<Database>): Promise<string | null> {
  if (!(await exists(db, 's3_connector_private.versions'))) return null;
  const { rows } = await sql<{ digest: string }>`
    select digest from s3_connector_private.versions order by since desc limit 1`.execute(db);
  return rows[0]?.digest ?? null;
}

/** Returns the migrations that were applied to the database. */
export async function appliedMigrations(db: Kysely<Database>): Promise<{ name: string; digest: string }[]> {
  if (!(await exists(db, 's3_connector_private.migrations'))) return [];
  const { rows } = await sql<{ name: string; digest: string }>`
    select name, digest from s3_connector_private.migrations`.execute(db);
  return rows;
}

async function appliedVersions(db: Kysely<Database>): Promise<string[]> {
  if (!(await exists(db, 's3_connector_private.versions'))) return [];
  const { rows } = await sql<{ version: string }>`select version from s3_connector_private.versions`.execute(
    db,
  );
  return rows.map(({ version: name }) => name);
}

async function exists(db: Kysely<Database>, table: string): Promise<boolean> {
  const { rows } = await sql<{ exists: boolean }>`select to_regclass(${table}) is not null as exists`.execute(
    db,
  );
  return rows[0]!.exists;
}

/** Returns whether one version is newer, by its numbers: 1.10.0 is newer than 1.9.3. */
export function isNewer(one: string, other: string): boolean {
  const [a, b] = [numbers(one), numbers(other)];
  const first = a.findIndex((number, i) => number !== b[i]);
  return first >= 0 && a[first]! > b[first]!;
}

function numbers(text: string): number[] {
  return [0, 1, 2].map((i) => Number.parseInt(text.split('.')[i] ?? '0', 10) || 0);
}
