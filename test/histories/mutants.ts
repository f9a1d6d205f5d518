/**
 * "Mutants": ways to break the product, each by changes of its text, which the histories must find. They show that the histories
 * would notice such a bug. The database, or the worker as it loads a file, gets the changed text; no file is changed.
 */
import type { TestDatabase } from '../support/database.ts';

/** A text that occurs once, and what replaces it. */
export interface Change {
  /** A function of the database, as `schema.name`, or a file of the worker, as `src/name.ts`. */
  where: string;
  find: string;
  replace: string;
}

export interface Mutant {
  name: string;
  changes: Change[];
  /** Whether it shows only if something fails just then. */
  needsFaults?: true;
}

const COUNTS_ALL: Change = {
  where: 'src/copy/statement.ts',
  find: "const taken = injectCountFault('taken', copy.rowCount);",
  replace: 'const taken = given;',
};

export const MUTANTS: Mutant[] = [
  {
    name: 'a row is lost: COPY leaves one out, and counts it',
    changes: [
      {
        where: 'src/copy/statement.ts',
        find: "insertsNothing ? ' where false' : ''",
        replace: "insertsNothing ? ' where false' : ' where id <> 3'",
      },
      COUNTS_ALL,
    ],
  },
  {
    name: 'the last file of a bundle is a success without its rows',
    changes: [
      {
        where: 'src/copy/together.ts',
        find: 'const count: number = input === null ? 0 : yield* this.#rowsOf(input);',
        replace: `const isLast = this.rows.length > 0 && this.rows.length === this.#parts.length - 1;
          const count: number = input === null ? 0 : isLast ? await passOver(this.#rowsOf(input)) : yield* this.#rowsOf(input);`,
      },
      {
        where: 'src/copy/together.ts',
        find: 'function equals(',
        replace: `async function passOver(rows: RowBytes): Promise<number> {
            for (;;) { const { done, value } = await rows.next(); if (done) return value; }
          }
          function equals(`,
      },
      COUNTS_ALL,
    ],
  },
  {
    name: 'a file is a success without its rows',
    changes: [
      {
        where: 'src/import.ts',
        find: '    const rows = await copyPart({',
        replace: "    await client.query('savepoint before');\n    const rows = await copyPart({",
      },
      {
        where: 'src/import.ts',
        find: '    return { rows, notice: noticeOf(part, plan) };',
        replace:
          "    if (rows.read === 2) await client.query('rollback to before');\n    return { rows, notice: null };",
      },
    ],
  },
  {
    name: 'a row comes twice: resume imports what is imported already',
    changes: [
      {
        where: 's3_connector_private.change_state',
        find: "f.status = 'paused' returning",
        replace: "f.status in ('paused', 'success') returning",
      },
    ],
  },
  {
    name: 'rows are committed before the success of their file',
    needsFaults: true,
    changes: [
      {
        where: 'src/import.ts',
        find: '    const backlog = await at(',
        replace: "    await transaction.client.query('commit; begin');\n    const backlog = await at(",
      },
    ],
  },
  {
    name: 'a key is forgotten when a poll commits the marker beyond it',
    changes: [
      {
        where: 's3_connector_private.commit_poll',
        find: 'where not exists (select from s3_connector.files f where f.connector_name = connector.name and f.key = o.key);',
        replace:
          "where o.key not like '%/b' and not exists (select from s3_connector.files f where f.connector_name = connector.name and f.key = o.key);",
      },
    ],
  },
  {
    name: 'the marker passes keys that were listed, and had no place yet',
    changes: [
      {
        where: 's3_connector_private.commit_poll',
        find: 'where upcoming.key is null or o.key < upcoming.key',
        replace: '',
      },
      {
        where: 's3_connector_private.commit_poll',
        find: 'into enqueued from s3_connector_private.enqueue_upcoming(connector) e;',
        replace:
          'into enqueued from s3_connector_private.enqueue_upcoming(connector) e; delete from s3_connector_private.upcoming_keys u where u.connector_name = connector.name;',
      },
    ],
  },
  {
    name: 'a late key is not noted',
    changes: [
      {
        where: 's3_connector_private.note_keys',
        find: 'where s.is_late or (',
        replace: 'where (',
      },
    ],
  },
  {
    name: 'an overwrite is not noted',
    changes: [
      {
        where: 's3_connector_private.note_keys',
        find: "s.on_overwrite <> 'ignore'",
        replace: "s.on_overwrite = 'reimport'",
      },
    ],
  },
  {
    name: 'an overwrite is taken twice: the old rows stay',
    changes: [
      {
        where: 'src/import.ts',
        find: 'if (attempt.file.replaces !== null)',
        replace: 'if (attempt.file.replaces === undefined)',
      },
    ],
  },
  {
    name: 'an undo leaves rows',
    changes: [
      {
        where: 's3_connector_import.delete_rows',
        find: 'where %I operator(pg_catalog.=) %L',
        replace: 'where %I operator(pg_catalog.=) %L and v is not null',
      },
    ],
  },
  {
    name: 'an undo keeps the rejected rows',
    changes: [
      {
        where: 's3_connector_private.end_undo',
        find: 'delete from s3_connector_private.rejected_rows r where r.file_id = end_undo.file_id;',
        replace: '',
      },
    ],
  },
  {
    name: 'a rejected row is not recorded, and counted',
    changes: [
      {
        where: 's3_connector_import.reject_rows',
        find: 'get diagnostics written = row_count;',
        replace:
          'get diagnostics written = row_count; delete from s3_connector_private.rejected_rows r where r.file_id = reject_rows.file_id;',
      },
      {
        where: 's3_connector_private.finish_attempts',
        find: 'perform s3_connector_private.require_rejected(results);',
        replace: '',
      },
    ],
  },
  {
    name: 'retry leaves the last file out',
    changes: [
      {
        where: 's3_connector.retry',
        find: "f.status = 'failure' order by f.key for update",
        replace:
          "f.status = 'failure' and f.id <> (select max(l.id) from s3_connector.files l where l.connector_name = f.connector_name and l.status = 'failure') order by f.key for update",
      },
    ],
  },
  {
    name: 'a cancelled file is imported',
    changes: [
      {
        where: 's3_connector.retry',
        find: "f.status = 'failure' order by",
        replace: "f.status in ('failure', 'cancelled') order by",
      },
    ],
  },
  {
    name: 'import_late forgets keys',
    changes: [
      {
        where: 's3_connector_private.admit_late',
        find: 'return s3_connector_private.add_files(connector, late);',
        replace: 'return s3_connector_private.add_files(connector, late - 0);',
      },
    ],
  },
  {
    name: 'an event about a late key is lost',
    changes: [
      {
        where: 's3_connector_private.note_events',
        find: 'perform s3_connector_private.note_keys(connector.name, behind);',
        replace: '',
      },
    ],
  },
  {
    name: 'an audit keeps notes of objects that are gone',
    changes: [
      {
        where: 's3_connector_private.remove_unseen',
        find: 'where l.connector_name = audit.connector_name',
        replace: 'where false',
      },
    ],
  },
  {
    name: 'a change of status is not in the history',
    changes: [
      {
        where: 's3_connector_private.record_history',
        find: 'where f.status_since <> o.status_since',
        replace: "where f.status_since <> o.status_since and f.status <> 'cancelled'",
      },
    ],
  },
  {
    name: 'on_import is not run for an overwrite',
    changes: [
      {
        where: 'src/import.ts',
        find: '    if (transaction.table !== null)\n',
        replace: '    if (transaction.table !== null && attempt.file.replaces === null)\n',
      },
    ],
  },
];

/** Replaces functions in the database of the histories. */
export async function mutateDatabase(db: TestDatabase, { changes }: Mutant): Promise<void> {
  for (const change of changes) {
    if (isInWorker(change)) continue;
    const { definition } = await db.one<{ definition: string }>(
      'select pg_get_functiondef($1::regproc) as definition',
      [change.where],
    );
    await db.asSuperuser(replaceOnce(definition, change));
  }
}

/** Returns the environment of a worker that loads the changed files. */
export function mutatedEnv({ changes }: Mutant): Record<string, string> {
  const own = changes.filter(isInWorker);
  if (own.length === 0) return {};
  return {
    NODE_OPTIONS: `--import ${new URL('./mutate_files.ts', import.meta.url).href}`,
    HISTORIES_CHANGES: JSON.stringify(own),
  };
}

export function isInWorker({ where }: Change): boolean {
  return where.startsWith('src/');
}

export function replaceOnce(text: string, { where, find, replace }: Change): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${where} has the text ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}
