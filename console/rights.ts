/** The "rights": what the console's role may do. Pages leave out what PostgreSQL would refuse. */
import pg from 'pg';
import { ACTIONS, type ActionName } from './actions.ts';
import { type Statement, sql } from './sql.ts';

export interface Rights {
  /** The name of the role. */
  role: string;
  /** The actions whose function the role may call. PostgreSQL may still refuse one, because of a table's owner. */
  actions: ReadonlySet<ActionName>;
  /** Whether the role may make and change connectors. */
  canConfigure: boolean;
}

/** Reads the rights. They are not kept: a grant changes them at any time. */
export async function readRights(
  rows: <T extends object>(statement: Statement) => Promise<T[]>,
): Promise<Rights> {
  // By the catalogs, because a role without usage on the schema cannot name what is in it.
  const [row] = await rows<{ role: string; actions: ActionName[]; can_configure: boolean }>(sql`
    select current_user as role,
      array(select distinct p.proname::text from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace and n.nspname = 's3_connector'
        where p.proname = any (${Object.keys(ACTIONS)})
          and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')) as actions,
      coalesce((select bool_and(has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update'))
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = 's3_connector'
        where c.relname in ('connectors', 'column_mappings')), false) as can_configure`);
  return { role: row!.role, actions: new Set(row!.actions), canConfigure: row!.can_configure };
}

/** Returns what the role may do, in words. */
export function describeRights({ actions, canConfigure }: Rights): string {
  if (actions.size === 0) return 'may only read';
  return canConfigure
    ? 'may read, act, and configure connectors'
    : 'may read and act, but not configure connectors';
}

/** Returns what a page says in place of its buttons. */
export function onlyReads({ role }: Rights): string {
  return `The role ${role} may only read. ${askFor('s3_connector_operator', role)}`;
}

/** Returns the grant to ask for. */
export function askFor(group: 's3_connector_operator' | 's3_connector_admin', role: string): string {
  const quoted = /^[a-z_][a-z0-9_]*$/.test(role) ? role : pg.escapeIdentifier(role);
  return `Ask an administrator of the database to run: grant ${group} to ${quoted};`;
}
