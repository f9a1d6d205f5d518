import { type Kysely, sql } from 'kysely';
import { ConnectorError } from '../errors.ts';
import { version } from '../version.ts';
import type { Control } from './control.ts';
import type { Database } from './schema.ts';

/** Where record_version tells that a database has been migrated. */
const CHANNEL = 's3_connector_version';

/**
 * @param known names of the migrations that this version has
 * @throws ConnectorError `schema_newer` where a newer version has migrated the database
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
      hint: 'Run the newer version; nothing was changed, and its workers go on with what this one has left.',
    },
  );
}

/**
 * Looks again whenever somebody has migrated the database, and when the connection was lost meanwhile.
 * @param onNewer is told where a newer version has done it
 * @returns resolves when no look is under way, which the connections must not be closed in the midst of
 */
export async function watchSchema(
  { listener, db }: Control,
  known: readonly string[],
  onNewer: (error: unknown) => void,
): Promise<() => Promise<void>> {
  let looking = Promise.resolve();
  let closed = false;
  const look = () => {
    if (closed) return;
    looking = looking
      .then(() => refuseNewerSchema(db, known))
      .catch((error) => {
        // Trouble with the connection shows elsewhere, and passes.
        if (error instanceof ConnectorError) onNewer(error);
      });
  };
  await listener.listen(CHANNEL, look, look);
  return async () => {
    closed = true;
    await looking;
  };
}

/** The digest of what was applied last; null in a database that was never migrated. */
export async function appliedDigest(db: Kysely<Database>): Promise<string | null> {
  if (!(await exists(db, 's3_connector_private.versions'))) return null;
  const { rows } = await sql<{ digest: string }>`
    select digest from s3_connector_private.versions order by since desc limit 1`.execute(db);
  return rows[0]?.digest ?? null;
}

/** The migrations that a database has had; none in an empty one. */
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

/** By the numbers of the versions, as in 1.10.0 after 1.9.3. */
export function isNewer(one: string, other: string): boolean {
  const [a, b] = [numbers(one), numbers(other)];
  const first = a.findIndex((number, i) => number !== b[i]);
  return first >= 0 && a[first]! > b[first]!;
}

function numbers(text: string): number[] {
  return [0, 1, 2].map((i) => Number.parseInt(text.split('.')[i] ?? '0', 10) || 0);
}
