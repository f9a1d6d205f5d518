/** The page that asks before an action that deletes or stops something: what it does, its SQL, and the button. */
import { ACTIONS, type ActionName, isActionName, readTarget, type Target } from '../actions.ts';
import { ownAddress } from '../address.ts';
import { count, counted } from '../format.ts';
import { type Html, html } from '../html.ts';
import { targetFields } from '../parts/button.ts';
import { sqlText } from '../parts/sql_text.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';
import { sql } from '../sql.ts';
import { COUNTED, countFiles } from './files.ts';

export async function confirmPage(request: PageRequest): Promise<Page> {
  const action = request.parameter('action');
  if (!isActionName(action) || !CONSEQUENCES[action]) {
    throw new RequestError(404, 'The address names no action that asks first.');
  }
  required(request, 'name');
  const target = readTarget(request.parameter);
  const back = ownAddress(request.parameter('back'));
  const consequence = await CONSEQUENCES[action](request, target);
  const { label } = ACTIONS[action];
  return {
    title: `${label}?`,
    section: 'connectors',
    live: false,
    body: html`<form class="card confirm" method="post" action="/act" aria-labelledby="confirm-title">
<h1 id="confirm-title">${label}?</h1>
<p class="key">${target.key ?? target.name}</p>
<p class="trouble">${consequence}</p>
${sqlText(`${ACTIONS[action].statement(target).shown};`)}
<input type="hidden" name="token" value="${request.formToken}">
<input type="hidden" name="action" value="${action}">
${targetFields(target)}
<input type="hidden" name="back" value="${back}">
<div class="submit"><button class="danger" name="confirmed" value="yes">${label}</button> <a class="button" href="${back}">Back</a></div>
</form>`,
  };
}

type Consequence = (request: PageRequest, target: Target) => Promise<Html | string>;

/** What each action that asks would do, in one or two sentences. */
const CONSEQUENCES: Partial<Record<ActionName, Consequence>> = {
  async drop_connector({ db }, { name }) {
    const [row] = await db.rows<{
      files: string;
      rows_total: string;
      target_table: string;
      state: string;
    }>(sql`
      select s.in_queue + s.running + s.pending_retry + s.paused + s.success + s.failure + s.cancelled + s.undone as files,
        s.rows_total, c.target_table, c.state
      from s3_connector.connector_status s join s3_connector.connectors c using (name) where name = ${name}`);
    if (!row) throw new RequestError(404, `There is no connector named ${name}.`);
    if (row.state === 'draft') return 'Deletes the draft. Nothing was imported.';
    return `Deletes the connector and its record of ${count(row.files)} files with their history. The ${count(row.rows_total)} rows in ${row.target_table} stay. A new connector for the same bucket would import the files again.`;
  },
  async undo_file({ db }, { name, key = '' }) {
    const file = await findFile(db, name, key);
    return `Deletes ${count(file.rows_imported)} rows of ${file.target_table}: those that came from this file.`;
  },
  async reimport_file({ db }, { name, key = '' }) {
    const file = await findFile(db, name, key);
    return `Deletes ${count(file.rows_imported)} rows of ${file.target_table}, and imports the file again. If the object was overwritten, its current version is imported.`;
  },
  async cancel_file({ db }, { name, key = '' }) {
    const file = await findFile(db, name, key);
    const stops = file.status === 'running' ? 'Stops the import, and rolls it back. ' : '';
    return `${stops}The file is not imported into ${file.target_table}, and "Retry all failed" skips it. Retry on the page of the file queues it again.`;
  },
  async retry_files({ db }, target) {
    return `Queues ${await describeFiles(db, target)} again.`;
  },
  async cancel_files({ db }, target) {
    return `Cancels ${await describeFiles(db, target)}: they are not imported, and "Retry all failed" skips them.`;
  },
};

/** Returns whether the console asks before that action. */
export function asksFirst(action: ActionName): boolean {
  return CONSEQUENCES[action] !== undefined;
}

async function describeFiles(db: PageRequest['db'], target: Target): Promise<string> {
  const files = await countFiles(db, target);
  return files > COUNTED ? `more than ${count(COUNTED)} files` : counted(files, 'file');
}

async function findFile(db: PageRequest['db'], name: string, key: string) {
  const [file] = await db.rows<{ rows_imported: string | null; status: string; target_table: string }>(sql`
    select f.rows_imported, f.status, coalesce(f.lineage[2], f.replaces[2], c.target_table) as target_table
    from s3_connector.files f join s3_connector.connectors c on c.name = f.connector_name
    where f.connector_name = ${name} and f.key = ${key}`);
  if (!file) throw new RequestError(404, `Connector ${name} has no file with the key ${key}.`);
  return file;
}
