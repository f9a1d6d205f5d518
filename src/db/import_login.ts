/** Checks the "login for imports" when a worker starts, and lets it call the functions of an import. */
import type { Config } from '../config.ts';
import { ConnectorError } from '../errors.ts';
import { openSession, type Session } from './connections.ts';
import { aboutImportUrl } from './refusal.ts';

/**
 * Returns the role that imports log in as.
 * @throws ConnectorError `no_connection`, `other_database`, `unfit_import_login`
 */
export async function admitImportLogin({ databaseUrl, importDatabaseUrl }: Config): Promise<string> {
  const session = await openSession(databaseUrl, 'probe');
  try {
    const role = await findImportRole(session, importDatabaseUrl);
    const { rows } = await session.query<{ refusal: string | null }>(
      'select s3_connector_private.admit_import_role($1) as refusal',
      [role],
    );
    const { refusal } = rows[0]!;
    if (refusal !== null) throw unfit(role, refusal);
    return role;
  } finally {
    await session.end();
  }
}

/**
 * Returns the role of IMPORT_DATABASE_URL.
 * @param session of DATABASE_URL
 * @throws ConnectorError `no_connection`, `other_database`
 */
export async function findImportRole(session: Session, importDatabaseUrl: string): Promise<string> {
  const own = await identify(session);
  const imports = await identifyImports(importDatabaseUrl);
  if (imports.database !== own.database) throw otherDatabase();
  return imports.role;
}

interface Identity {
  role: string;
  /** The server's and the database's id. */
  database: string;
}

async function identifyImports(importDatabaseUrl: string): Promise<Identity> {
  const session = await openSession(importDatabaseUrl, 'probe').catch((error) => {
    throw aboutImportUrl(error);
  });
  try {
    return await identify(session);
  } finally {
    await session.end();
  }
}

async function identify(session: Session): Promise<Identity> {
  const { rows } = await session.query<Identity>(
    `select session_user as role, pg_catalog.concat_ws(' ', c.system_identifier, d.oid) as database
    from pg_catalog.pg_control_system() c, pg_catalog.pg_database d
    where d.datname operator(pg_catalog.=) pg_catalog.current_database()`,
  );
  return rows[0]!;
}

function otherDatabase(): ConnectorError {
  return new ConnectorError(
    'other_database',
    'DATABASE_URL and IMPORT_DATABASE_URL lead to different databases',
    { hint: 'Name the same server and database in both. Only user and password differ.' },
  );
}

/** Returns the error for a role that may do more than a login for imports should. */
export function unfit(role: string, refusal: string): ConnectorError {
  return new ConnectorError(
    'unfit_import_login',
    `imports must not log in as ${role}, the user in IMPORT_DATABASE_URL: ${refusal}. Code of connectors' owners could use that.`,
    {
      hint: 'Create a login with sql/setup/worker_role.sql, make it a member of connector owners only, and name it in IMPORT_DATABASE_URL.',
    },
  );
}
