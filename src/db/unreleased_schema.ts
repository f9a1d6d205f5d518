/** Recognizes databases that development versions have migrated, before the first release. */
import { type Kysely, sql } from 'kysely';
import { ConnectorError } from '../errors.ts';
import type { Database } from './schema.ts';

/** The digest of migrations/0001_schema.sql as 0.1.0 released it. Every database since then has it. */
const FIRST_DIGEST = 'b6bf177de371a62f4c77d5990dbe61ad4dea384fb92e2061e25f0b08b9ebb75f';

/**
 * Refuses a database from before 0.1.0, of which no migration leads to this version.
 * @throws ConnectorError `schema_unreleased`, with nothing changed
 */
export async function refuseUnreleasedSchema(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ connectors: boolean; migrations: boolean }>`
    select to_regclass('s3_connector.connectors') is not null as connectors,
      to_regclass('s3_connector_private.migrations') is not null as migrations`.execute(db);
  const found = rows[0]!;
  if (!found.connectors) return;
  if (!found.migrations) throw unreleased('it has no table s3_connector_private.migrations');
  const first = await sql`
    select from s3_connector_private.migrations
    where name = 'migrations/0001_schema.sql' and digest = ${FIRST_DIGEST}`.execute(db);
  if (first.rows.length === 0) throw unreleased('its migrations/0001_schema.sql is not the released one');
}

function unreleased(reason: string): ConnectorError {
  return new ConnectorError(
    'schema_unreleased',
    `the database was migrated by a version before 0.1.0 (${reason}), expected one that 0.1.0 or later has migrated`,
    {
      hint: 'Nothing was changed. The tables with your rows stay as they are. Save the connectors and their markers, drop the schemas s3_connector, s3_connector_private and s3_connector_queue, migrate again, and insert each connector with its marker as start_after: "A database from before 0.1.0" in docs/operating.md.',
    },
  );
}
