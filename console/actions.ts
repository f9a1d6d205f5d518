/** The "actions": what people can do to a connector or a file by a button, each with its SQL. */
import { type FileFilter, keysOf } from './file_filter.ts';
import { isStatus } from './parts/status.ts';
import { type Statement, sql } from './sql.ts';

/** The connector, the file, or the files of an action. */
export interface Target extends FileFilter {
  key?: string | undefined;
}

export interface Action {
  label: string;
  statement(target: Target): Statement;
}

/** Each calls a public function or procedure of the schema. The privileges of the console's role decide which work. */
export const ACTIONS = {
  pause: { label: 'Pause', statement: ({ name }) => sql`select s3_connector.pause(${name})` },
  resume: { label: 'Resume', statement: ({ name }) => sql`select s3_connector.resume(${name})` },
  poll_now: { label: 'Poll now', statement: ({ name }) => sql`select s3_connector.poll_now(${name})` },
  retry: { label: 'Retry all failed', statement: ({ name }) => sql`select s3_connector.retry(${name})` },
  check: { label: 'Check', statement: ({ name }) => sql`call s3_connector.check(${name})` },
  preview: { label: 'Preview', statement: ({ name }) => sql`call s3_connector.preview(${name})` },
  audit: { label: 'Audit', statement: ({ name }) => sql`call s3_connector.audit(${name})` },
  import_late: {
    label: 'Import late files',
    statement: ({ name }) => sql`select s3_connector.import_late(${name})`,
  },
  drop_connector: {
    label: 'Drop connector',
    statement: ({ name }) => sql`select s3_connector.drop_connector(${name})`,
  },
  retry_file: {
    label: 'Retry',
    statement: ({ name, key = '' }) => sql`select s3_connector.retry_file(${name}, ${key})`,
  },
  cancel_file: {
    label: 'Cancel',
    statement: ({ name, key = '' }) => sql`select s3_connector.cancel_file(${name}, ${key})`,
  },
  undo_file: {
    label: 'Undo',
    statement: ({ name, key = '' }) => sql`select s3_connector.undo_file(${name}, ${key})`,
  },
  reimport_file: {
    label: 'Import again',
    statement: ({ name, key = '' }) => sql`select s3_connector.reimport_file(${name}, ${key})`,
  },
  dry_run_file: {
    label: 'Dry run',
    statement: ({ name, key = '' }) => sql`call s3_connector.dry_run_file(${name}, ${key})`,
  },
  retry_files: {
    label: 'Retry these',
    statement: (files) => sql`select s3_connector.retry_files(${files.name}, ${keysOf(files)})`,
  },
  cancel_files: {
    label: 'Cancel these',
    statement: (files) => sql`select s3_connector.cancel_files(${files.name}, ${keysOf(files)})`,
  },
} satisfies Record<string, Action>;

export type ActionName = keyof typeof ACTIONS;

export function isActionName(name: string | undefined): name is ActionName {
  return name !== undefined && Object.hasOwn(ACTIONS, name);
}

/**
 * Returns the actions that make sense for a file in that status. PostgreSQL may still refuse one.
 * @param undoable whether it is known which rows of the table are the file's, or those of its earlier version
 */
export function fileActions(status: string, undoable: boolean): ActionName[] {
  const undo: ActionName[] = undoable ? ['undo_file'] : [];
  switch (status) {
    case 'in_queue':
    case 'running':
    case 'paused':
      return ['cancel_file'];
    case 'pending_retry':
      return ['retry_file', 'cancel_file'];
    case 'success':
      return undoable ? ['reimport_file', 'undo_file'] : [];
    case 'failure':
      return ['retry_file', 'cancel_file', ...undo, 'dry_run_file'];
    default:
      return ['retry_file', ...undo, 'dry_run_file'];
  }
}

/** Returns the target that the fields of a form, or of an address, name. */
export function readTarget(field: (name: string) => string | undefined): Target {
  const status = field('status');
  return {
    name: field('name') ?? '',
    key: field('key'),
    status: isStatus(status) ? status : undefined,
    search: field('search'),
  };
}
