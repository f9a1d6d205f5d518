/** The page that repairs a cause of failures: each repair with its SQL and a button. */
import { type Cause, findCauses, repairAddress } from '../causes.ts';
import type { ConsoleDatabase } from '../database.ts';
import type { FormReply, FormRequest } from '../form.ts';
import { type Html, html, link } from '../html.ts';
import type { Outcome } from '../outcome.ts';
import { crumbs } from '../parts/crumbs.ts';
import { keyText } from '../parts/key.ts';
import { sqlText } from '../parts/sql_text.ts';
import { type Repair, repairsOf } from '../repairs.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';
import { askFor } from '../rights.ts';
import { show, sql } from '../sql.ts';
import { titleOf } from './causes_part.ts';

export async function repairPage(request: PageRequest): Promise<Page> {
  const name = required(request, 'name');
  const cause = await findCause(request.db, request.parameter);
  const target = request.parameter('target');
  const columns = await tableColumns(request.db, cause);
  return {
    title: `Repair ${cause.code}`,
    section: 'connectors',
    connector: name,
    live: false,
    body: html`
${crumbs(name)}
<h1>${titleOf(cause)}</h1>
<p class="trouble">${cause.message}</p>
<p class="note">First file: ${keyText(cause.first_key, name)}. <a href="${link('/code', { code: cause.code })}">What ${cause.code} means</a></p>
${repairsOf(cause, target).map(
  (repair) => html`<section class="card"><h2>${repair.title}</h2>
${repair.kind === 'map' && targetForm(cause, columns, target)}
${sqlText(show([...repair.change, ...repair.rest]))}
${runForm(request, cause, repair, target)}</section>`,
)}`,
  };
}

/** Runs a repair. After a dry run that fails, it stops: the connector stays paused, if the repair paused it. */
export async function repair({ db, fields }: FormRequest): Promise<FormReply> {
  const field = (name: string) => fields.get(name) || undefined;
  const cause = await findCause(db, field);
  const chosen = repairsOf(cause, field('target')).find(({ kind }) => kind === field('kind'));
  if (!chosen) throw new RequestError(400, 'The form names no repair of this cause.');
  const changed = await db.run(chosen.change);
  if (changed.verdict.level === 'bad') return { to: repairAddress(cause), outcome: stopped(changed, chosen) };
  const finished = await db.run(chosen.rest);
  const outcome: Outcome = {
    ...finished,
    shown: `${changed.shown}\n${finished.shown}`,
    rows: [...changed.rows, ...finished.rows],
    notices: [...changed.notices, ...finished.notices],
  };
  return { to: link('/connector', { name: cause.name }), outcome };
}

function stopped(outcome: Outcome, { change }: Repair): Outcome {
  const paused = change.some(({ text }) => text.startsWith('select s3_connector.pause('));
  const after = paused ? 'nothing was retried, and the connector stays paused' : 'nothing was retried';
  const sentence = `${outcome.verdict.sentence}; ${after}`;
  return { ...outcome, verdict: { level: 'bad', sentence } };
}

/** @throws RequestError if no file has failed for that cause */
async function findCause(db: ConsoleDatabase, field: (name: string) => string | undefined): Promise<Cause> {
  const causes = await findCauses(db, field('name') ?? '');
  const cause = causes.find(
    ({ code, detail }) => code === field('code') && (detail ?? undefined) === field('detail'),
  );
  if (cause) return cause;
  throw new RequestError(404, `No file of ${field('name')} fails with ${field('code')} any more.`);
}

/** Returns the columns of the table, as far as the role of the console finds it. */
async function tableColumns(db: ConsoleDatabase, { target_table }: Cause): Promise<string[]> {
  const rows = await db.rows<{ name: string }>(sql`
    select attname as name from pg_catalog.pg_attribute
    where attrelid = to_regclass(${target_table}) and attnum > 0 and not attisdropped order by attnum`);
  return rows.map(({ name }) => name);
}

function causeFields({ name, code, detail }: Cause): Html {
  return html`<input type="hidden" name="name" value="${name}"><input type="hidden" name="code" value="${code}">${detail !== null && html`<input type="hidden" name="detail" value="${detail}">`}`;
}

function targetForm(cause: Cause, columns: string[], target: string | undefined): Html {
  return html`<form class="search" action="/repair">${causeFields(cause)}
<label for="target">Column of the table</label> <input id="target" name="target" value="${target}" list="columns" autocomplete="off" spellcheck="false" required>
<datalist id="columns">${columns.map((column) => html`<option value="${column}"></option>`)}</datalist> <button>Show the SQL</button></form>`;
}

function runForm(
  { rights, formToken }: PageRequest,
  cause: Cause,
  { kind, title }: Repair,
  target: string | undefined,
): Html {
  const group = kind === 'retry' ? 's3_connector_operator' : 's3_connector_admin';
  const may = kind === 'retry' ? rights.actions.has('retry_files') : rights.canConfigure;
  if (!may) return html`<p class="note">${askFor(group, rights.role)}</p>`;
  return html`<form class="act" method="post" action="/repair"><input type="hidden" name="token" value="${formToken}">
${causeFields(cause)}<input type="hidden" name="kind" value="${kind}"><input type="hidden" name="target" value="${target}">
<button aria-label="Run: ${title}">Run</button></form>`;
}
