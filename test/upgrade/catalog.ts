/** Describes the objects of our schemas, as PostgreSQL's catalogs have them. */
import type { TestDatabase } from '../support/database.ts';

const SCHEMAS =
  "array['s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 's3_connector_queue']::regnamespace[]";

/** The privileges of an object, also if they are its default ones. */
const privileges = (acl: string, kind: string, owner: string) =>
  `array(select a::text from unnest(coalesce(${acl}, acldefault('${kind}', ${owner}))) a order by 1)`;

const comment = (oid: string, catalog: string) => `obj_description(${oid}, '${catalog}')`;

/** By kind of object: a query for `name` and `definition`. */
const OBJECTS: Record<string, string> = {
  schema: `select nspname as name, jsonb_build_array(nspowner::regrole, ${privileges('nspacl', 'n', 'nspowner')},
      ${comment('oid', 'pg_namespace')}) as definition
    from pg_namespace where oid = any (${SCHEMAS})`,
  relation: `select oid::regclass as name, jsonb_build_array(relkind, relowner::regrole, relpersistence, reloptions, relreplident,
      relrowsecurity, relforcerowsecurity, case when relkind = 'S' then ${privileges('relacl', 's', 'relowner')}
      else ${privileges('relacl', 'r', 'relowner')} end, ${comment('oid', 'pg_class')}) as definition
    from pg_class where relnamespace = any (${SCHEMAS}) and relkind <> 'i'`,
  // By position without dropped columns: our functions insert into some tables by position.
  column: `select a.attrelid::regclass || '.' || a.attname as name, jsonb_build_array(
      row_number() over (partition by a.attrelid order by a.attnum), format_type(a.atttypid, a.atttypmod), a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attstorage,
      a.attcompression, a.attoptions, a.attacl::text[], col_description(a.attrelid, a.attnum)) as definition
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace = any (${SCHEMAS}) and c.relkind not in ('i', 'S') and a.attnum > 0 and not a.attisdropped`,
  // Not null is an attribute of the column. PostgreSQL 18 has a constraint for it, too, whose name a dump of an older one lacks.
  constraint: `select concat_ws(' ', conrelid::regclass, conname) as name, jsonb_build_array(pg_get_constraintdef(oid),
      convalidated, ${comment('oid', 'pg_constraint')}) as definition
    from pg_constraint where connamespace = any (${SCHEMAS}) and contype <> 'n'`,
  index: `select indexrelid::regclass as name, jsonb_build_array(pg_get_indexdef(indexrelid), indisvalid, indisclustered,
      ${comment('indexrelid', 'pg_class')}) as definition
    from pg_index join pg_class c on c.oid = indrelid where c.relnamespace = any (${SCHEMAS})`,
  trigger: `select tgrelid::regclass || ' ' || tgname as name, jsonb_build_array(pg_get_triggerdef(t.oid), tgenabled,
      ${comment('t.oid', 'pg_trigger')}) as definition
    from pg_trigger t join pg_class c on c.oid = tgrelid where not tgisinternal and c.relnamespace = any (${SCHEMAS})`,
  function: `select oid::regprocedure as name, jsonb_build_array(pg_get_functiondef(oid), proowner::regrole,
      ${privileges('proacl', 'f', 'proowner')}, ${comment('oid', 'pg_proc')}) as definition
    from pg_proc where pronamespace = any (${SCHEMAS})`,
  view: `select oid::regclass as name, to_jsonb(pg_get_viewdef(oid)) as definition
    from pg_class where relnamespace = any (${SCHEMAS}) and relkind = 'v'`,
  type: `select oid::regtype as name, jsonb_build_array(typtype, typowner::regrole, ${privileges('typacl', 'T', 'typowner')},
      format_type(typbasetype, typtypmod), typnotnull, typdefault, ${comment('oid', 'pg_type')},
      array(select enumlabel from pg_enum where enumtypid = t.oid order by enumsortorder)) as definition
    from pg_type t where typnamespace = any (${SCHEMAS})`,
  sequence: `select seqrelid::regclass as name, jsonb_build_array(seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin,
      seqcache, seqcycle, (select d.refobjid::regclass || '.' || a.attname from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.objid = seqrelid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i'))) as definition
    from pg_sequence join pg_class c on c.oid = seqrelid where c.relnamespace = any (${SCHEMAS})`,
  policy: `select polrelid::regclass || ' ' || polname as name, jsonb_build_array(polcmd, polpermissive,
      polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) as definition
    from pg_policy join pg_class c on c.oid = polrelid where c.relnamespace = any (${SCHEMAS})`,
  // The digests, too: the same name could stand for another script.
  migration: 'select name, to_jsonb(digest) as definition from s3_connector_private.migrations',
};

/** Returns the definition of each object, by its kind and name. */
export async function describeObjects(db: TestDatabase): Promise<Map<string, string>> {
  const objects = new Map<string, string>();
  for (const [kind, query] of Object.entries(OBJECTS)) {
    const rows = await db.query<{ name: string; definition: string }>(
      `select name::text, definition::text from (${query}) as object`,
    );
    if (rows.length === 0 && kind !== 'policy') throw new Error(`expected objects of the kind ${kind}`);
    for (const { name, definition } of rows) objects.set(`${kind} ${name}`, definition);
  }
  return objects;
}

/** Returns a line for each object that only one of two databases has, or that differs. */
export function differences(upgraded: Map<string, string>, created: Map<string, string>): string[] {
  return [...new Set([...upgraded.keys(), ...created.keys()])].sort().flatMap((object) => {
    const [old, fresh] = [upgraded.get(object), created.get(object)];
    if (old === fresh) return [];
    if (old === undefined) return [`${object}: only in a new database`];
    if (fresh === undefined) return [`${object}: only in the upgraded database`];
    const from = Math.max(0, [...old].findIndex((character, i) => character !== fresh[i]) - 40);
    return [`${object}: upgraded ${old.slice(from, from + 160)}, new ${fresh.slice(from, from + 160)}`];
  });
}
