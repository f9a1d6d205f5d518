/**
 * Applies sql/: all functions, views, triggers, comments and grants, every time. An object that a statement cannot replace in
 * place (a function with another result type) is dropped and created again. Objects that sql/ no longer has are dropped.
 */
import { type RawBuilder, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import type { Database } from './schema.ts';
import { describeStatement, splitStatements } from './statements.ts';

/** A file of SQL. */
export interface SqlFile {
  /** Relative to the project's directory: `sql/3_worker/polls.sql`. */
  path: string;
  text: string;
}

const OWN_SCHEMAS = ['s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import'];

/** SQLSTATEs of a `create or replace` that cannot replace an object: a function's result type, a view's columns. */
const IRREPLACEABLE = ['42P13', '42P16'];

/** These files grant on all functions at once, so they run after leftovers are dropped. */
const GRANTS = /^sql\/6_grants\//;

/**
 * Applies the files.
 * @throws ConnectorError `migration_failed`, with the file and the statement; `object_in_use`
 */
export async function applySql(transaction: Transaction<Database>, files: readonly SqlFile[]): Promise<void> {
  const isGrants = ({ path }: SqlFile) => GRANTS.test(path);
  for (const file of files.filter((one) => !isGrants(one))) await applyFile(transaction, file);
  await dropLeftovers(transaction);
  for (const file of files.filter(isGrants)) await applyFile(transaction, file);
}

async function applyFile(transaction: Transaction<Database>, file: SqlFile): Promise<void> {
  await forEachStatement(file, (statement) => apply(transaction, statement));
}

/** Runs the script of a migration. Throws the errors of applySql. */
export async function runScript(transaction: Transaction<Database>, file: SqlFile): Promise<void> {
  await forEachStatement(file, (statement) => sql.raw(statement).execute(transaction));
}

/** Runs each statement of a file. An error names the file and the statement. */
async function forEachStatement(
  { path, text }: SqlFile,
  run: (statement: string) => Promise<unknown>,
): Promise<void> {
  for (const statement of splitStatements(text)) {
    await run(statement).catch((error) => {
      throw explain(error, path, statement);
    });
  }
}

async function apply(transaction: Transaction<Database>, statement: string): Promise<void> {
  await sql`savepoint apply_sql`.execute(transaction);
  try {
    await sql.raw(statement).execute(transaction);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError && IRREPLACEABLE.includes(error.code ?? ''))) throw error;
    await sql`rollback to savepoint apply_sql`.execute(transaction);
    await dropOld(transaction, statement);
    await sql.raw(statement).execute(transaction);
  }
  await sql`release savepoint apply_sql`.execute(transaction);
}

/** Captures the kind and the name of a `create or replace`. */
const CREATES = /^create or replace (function|procedure|view) ([\w.]+)/;

async function dropOld(transaction: Transaction<Database>, statement: string): Promise<void> {
  const [, kind, name] = CREATES.exec(statement) ?? [];
  const [schema, object] = name?.split('.') ?? [];
  await dropAll(
    transaction,
    kind === 'view'
      ? sql`select 'view' as kind, ${name}::regclass::text as name, 'pg_class'::regclass::oid as class, ${name}::regclass::oid as oid`
      : functionsWhere(sql`p.pronamespace = ${schema}::regnamespace and p.proname = ${object}`),
  );
}

function functionsWhere(condition: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select case p.prokind when 'p' then 'procedure' else 'function' end as kind, p.oid::regprocedure::text as name,
      'pg_proc'::regclass::oid as class, p.oid
    from pg_proc p where ${condition}`;
}

interface DatabaseObject {
  kind: string;
  /** Quoted, for `drop`. */
  name: string;
  class: number;
  oid: number;
}

/**
 * Drops our objects, and our objects that depend on them, which sql/ creates again. Never drops a person's objects.
 * @throws ConnectorError `object_in_use` if a person's object depends on one
 */
async function dropAll(transaction: Transaction<Database>, query: RawBuilder<unknown>): Promise<void> {
  const { rows } = await (query as RawBuilder<DatabaseObject>).execute(transaction);
  for (const object of rows) {
    await refuseForeignDependents(transaction, object);
    await sql.raw(`drop ${object.kind} if exists ${object.name} cascade`).execute(transaction);
  }
}

async function refuseForeignDependents(
  transaction: Transaction<Database>,
  object: DatabaseObject,
): Promise<void> {
  const { rows } = await sql<{ dependents: string | null }>`
    with recursive dependents (class, oid) as (
      select ${object.class}::oid, ${object.oid}::oid
      union
      select case when r.oid is null then d.classid else 'pg_class'::regclass end, coalesce(r.ev_class, d.objid)
      from dependents of
      join pg_depend d on d.refclassid = of.class and d.refobjid = of.oid and d.deptype in ('n', 'a', 'i')
      left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    )
    select string_agg(i.type || ' ' || i.identity, ', ' order by i.identity) as dependents
    from dependents d
    cross join pg_identify_object(d.class, d.oid, 0) i
    where not (
      i.type in ('view', 'function', 'procedure', 'type') and i.schema = any (${OWN_SCHEMAS})
      or i.type = 'trigger' and i.identity ~ ' on s3_connector(_private)?\\.'
    )`.execute(transaction);
  const dependents = rows[0]?.dependents;
  if (!dependents) return;
  throw new ConnectorError(
    'object_in_use',
    `this version must create ${object.kind} ${object.name} again, and these objects use it: ${dependents}`,
    { hint: 'Drop them, start again, then create them again. Nothing was changed.' },
  );
}

/** Drops objects of an earlier version that this one does not have: those that the transaction has not touched. */
async function dropLeftovers(transaction: Transaction<Database>): Promise<void> {
  // A savepoint's changes have later transaction ids than the transaction itself. Older ids are of other transactions.
  const isOlder = (xmin: string) => sql`age(${sql.ref(xmin)}) > age(pg_current_xact_id()::xid)`;
  await dropAll(
    transaction,
    sql`select 'view' as kind, c.oid::regclass::text as name, 'pg_class'::regclass::oid as class, c.oid
      from pg_class c join pg_rewrite r on r.ev_class = c.oid
      where c.relkind = 'v' and c.relnamespace = any (${OWN_SCHEMAS}::regnamespace[]) and ${isOlder('r.xmin')}`,
  );
  const { rows: triggers } = await sql<{ statement: string }>`
    select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass) as statement
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and c.relnamespace = any (${OWN_SCHEMAS}::regnamespace[])
      -- The trigger of a person on our table calls a function of that person.
      and p.pronamespace = any (${OWN_SCHEMAS}::regnamespace[]) and ${isOlder('t.xmin')}`.execute(
    transaction,
  );
  for (const { statement } of triggers) await sql.raw(statement).execute(transaction);
  await dropAll(
    transaction,
    functionsWhere(sql`p.pronamespace = any (${OWN_SCHEMAS}::regnamespace[]) and ${isOlder('p.xmin')}`),
  );
}

function explain(error: unknown, path: string, statement: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  return new ConnectorError(
    'migration_failed',
    `${path}: ${describeStatement(statement)}: ${error.message}${error.detail ? ` (${error.detail})` : ''}`,
    { hint: error.hint ?? 'Nothing was changed.', cause: error },
  );
}
