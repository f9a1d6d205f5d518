import { readFile } from 'node:fs/promises';
import pg from 'pg';

const SETUP = new URL('../../sql/setup/worker_role.sql', import.meta.url);

/** A role that can log in. */
export interface Login {
  name: string;
  password: string;
}

/**
 * Who works in the tests' databases, none of them a superuser: the worker, as sql/setup/ makes its role, and the person,
 * who owns the databases, inserts connectors and looks behind the scenes.
 */
export interface TestRoles {
  worker: Login;
  person: Login;
}

/** The roles of a test run; the names are the template's with an end, by which they are found and dropped. */
export function testRoles(template: string, password: string): TestRoles {
  return {
    worker: { name: `${template}_worker`, password },
    person: { name: `${template}_person`, password },
  };
}

/** Makes the roles, connected as a superuser to a database that `prepareDatabase` is for too. */
export async function makeRoles(admin: pg.Client, { worker, person }: TestRoles): Promise<void> {
  await runWorkerSetup(admin, worker.name);
  await admin.query(
    // The queue's tables have row level security, which only their owner would be free of.
    `alter role ${worker.name} password '${worker.password}';
    create role ${person.name} login createrole bypassrls password '${person.password}';
    grant s3_connector_reader, s3_connector_operator, s3_connector_admin to ${person.name} with admin option;
    grant pg_monitor, pg_signal_backend to ${person.name};
    grant ${person.name} to ${worker.name}`,
  );
}

/**
 * Before the migrations: lets the worker make its schemas, and the person at all that will be in them, as tests look at,
 * and sometimes change, what only the worker uses.
 */
export async function prepareDatabase(admin: pg.Client, { worker, person }: TestRoles): Promise<void> {
  await runWorkerSetup(admin, worker.name);
  for (const objects of ['schemas', 'tables', 'sequences', 'routines', 'types']) {
    await admin.query(
      `alter default privileges for role ${worker.name} grant all on ${objects} to ${person.name}`,
    );
  }
}

/** What psql does with the file; nothing but its own commands (\set, \if) is left out. */
export async function runWorkerSetup(admin: pg.Client, worker: string): Promise<void> {
  const text = await readFile(SETUP, 'utf8');
  const plain = text.replaceAll(/^ *\\.*$/gm, '').replaceAll(":'worker'", pg.escapeLiteral(worker));
  await admin.query(plain);
}
