import { readFile } from 'node:fs/promises';
import type { TestDatabase } from '../support/database.ts';
import type { Login } from '../support/roles.ts';

/**
 * "Traps": objects in public with the names of PostgreSQL's own. A statement reaches them that leaves the choice to its session's
 * search_path. Running one fails, and is noted even if its transaction is rolled back.
 */
export interface Traps {
  /** Returns the object of PostgreSQL whose trap ran last, or null if none ran. */
  sprung(): Promise<string | null>;
}

const SCRIPT = new URL('./traps.sql', import.meta.url);

/** Lays traps, as a role that may do nothing but create objects in public. */
export async function layTraps(db: TestDatabase): Promise<Traps> {
  const trapper = await stranger(db);
  const client = await db.connect(trapper);
  await client.query('set search_path = pg_catalog');
  await client.query(await readFile(SCRIPT, 'utf8'));
  return {
    async sprung() {
      const { rows } = await client.query<{ trap: string | null }>(
        `select case when t.is_called then coalesce(
          (select o.oid::regoperator::text from pg_operator o where o.oid = t.last_value),
          (select p.oid::regprocedure::text from pg_proc p where p.oid = t.last_value),
          t.last_value::regtype::text
        ) end as trap from public.trapped t`,
      );
      return rows[0]!.trap;
    },
  };
}

/** Makes a role that may create objects in public, and has nothing to do with the connector. */
export async function stranger(db: TestDatabase): Promise<Login> {
  const role = await db.createRole();
  await db.asSuperuser(
    `revoke ${role.name} from ${db.worker.name}, ${db.person.name}; grant create on schema public to ${role.name}`,
  );
  return role;
}
