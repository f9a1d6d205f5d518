import { readFile } from 'node:fs/promises';
import pg from 'pg';

const SETUP = new URL('../../sql/setup/worker_role.sql', import.meta.url);

/** A role that can log in. */
export interface Login {
  name: string;
  password: string;
}

/**
 * The roles in the tests' databases, none of them a superuser: the worker's two logins, as sql/setup/ creates them, and the person,
 * who owns the databases, inserts connectors and reads internal tables.
 */
export interface TestRoles {
  worker: Login;
  /** The login for imports. */
  importer: Login;
  person: Login;
}

/** The roles of a test run; their names begin with the template's, by which they are found and dropped. */
export function testRoles(template: string, password: string): TestRoles {
  return {
    worker: { name: `${template}_worker`, password },
    importer: { name: `${template}_importer`, password },
    person: { name: `${template}_person`, password },
  };
}

/** Creates the roles, connected as a superuser to a database that `prepareDatabase` is for too. */
export async function makeRoles(admin: pg.Client, roles: TestRoles): Promise<void> {
  const { worker, importer, person } = roles;
  await runWorkerSetup(admin, worker.name, importer.name);
  // Since PostgreSQL 16: how often a login hashes its password. A run has thousands of logins.
  await admin.query(
    "select set_config('scram_iterations', '1', false) from pg_settings where name = 'scram_iterations'",
  );
  await admin.query(
    // The queue's tables have row level security, from which only their owner is exempt.
    `alter role ${worker.name} password '${worker.password}';
    alter role ${importer.name} password '${importer.password}';
    create role ${person.name} login createrole bypassrls password '${person.password}';
    grant s3_connector_reader, s3_connector_operator, s3_connector_admin to ${person.name} with admin option;
    grant pg_monitor, pg_signal_backend to ${person.name};
    grant ${person.name} to ${importer.name}`,
  );
}

/**
 * Before the migrations: lets the worker create its schemas, and gives the person access to everything in them, because
 * tests read, and sometimes change, what only the worker uses.
 */
export async function prepareDatabase(
  admin: pg.Client,
  { worker, importer, person }: TestRoles,
): Promise<void> {
  await runWorkerSetup(admin, worker.name, importer.name);
  for (const objects of ['schemas', 'tables', 'sequences', 'routines', 'types']) {
    await admin.query(
      `alter default privileges for role ${worker.name} grant all on ${objects} to ${person.name}`,
    );
  }
}

/** Runs the file as psql does, without its own commands (\set, \if). */
export async function runWorkerSetup(admin: pg.Client, worker: string, importer: string): Promise<void> {
  const text = await readFile(SETUP, 'utf8');
  const plain = text
    .replaceAll(/^ *\\.*$/gm, '')
    .replaceAll(":'worker'", pg.escapeLiteral(worker))
    .replaceAll(":'importer'", pg.escapeLiteral(importer));
  await admin.query(plain);
}
