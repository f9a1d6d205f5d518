/** The rejected rows of a connector, as a page and as CSV. */
import type { ConsoleDatabase } from '../database.ts';
import { html, link } from '../html.ts';
import { crumbs } from '../parts/crumbs.ts';
import { keyText } from '../parts/key.ts';
import { REJECTED_COLUMNS, type RejectedRow, rejectedCells } from '../parts/rejected_row.ts';
import { table } from '../parts/table.ts';
import { type Page, type PageRequest, required } from '../request.ts';
import { type Statement, sql } from '../sql.ts';

interface FileRow extends RejectedRow {
  key: string;
}

const SHOWN = 100;

export async function rejectedPage(request: PageRequest): Promise<Page> {
  const name = required(request, 'name');
  const rows = await readRows(request.db, sql`connector_name = ${name}`, SHOWN + 1);
  return {
    title: `Rejected rows of ${name}`,
    section: 'connectors',
    connector: name,
    live: true,
    body: html`
${crumbs(name)}
<div class="head"><h1 id="rejected-title">Rejected rows</h1>${rows.length > 0 && html`<a class="button" href="${link('/rejected.csv', { name })}" download>Download all as CSV</a>`}</div>
${
  rows.length === 0
    ? html`<p class="empty">None are kept.</p>`
    : table(
        [{ label: 'File' }, ...REJECTED_COLUMNS],
        rows.slice(0, SHOWN).map((row) => ({ cells: [keyText(row.key, name), ...rejectedCells(row)] })),
        { labelledBy: 'rejected-title' },
      )
}
${rows.length > SHOWN && html`<p class="note">The first ${SHOWN} are shown. The CSV has all.</p>`}`,
  };
}

/** Returns all rejected rows of a connector as CSV, in parts: one for each file, which has max_bad_rows at most. */
export async function* rejectedCsv(request: PageRequest): AsyncGenerator<string> {
  const { db } = request;
  const name = required(request, 'name');
  yield 'file,line,column,reason,row\r\n';
  const files = await db.rows<{ key: string }>(
    sql`select distinct key from s3_connector.rejected_rows where connector_name = ${name} order by key`,
  );
  for (const { key } of files) {
    const rows = await readRows(db, sql`connector_name = ${name} and key = ${key}`);
    yield rows
      .map(({ line, column_name, error, raw }) => [key, line, column_name ?? '', error, raw])
      .map((row) => `${row.map(quote).join(',')}\r\n`)
      .join('');
  }
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function readRows(
  db: ConsoleDatabase,
  condition: Statement,
  limit: number | null = null,
): Promise<FileRow[]> {
  return db.rows<FileRow>(sql`
    select key, line, column_name, error, raw from s3_connector.rejected_rows
    where ${condition} order by key, line limit ${limit}`);
}
