/** The failures of a connector by their causes. */
import { type Cause, findCauses, repairAddress, unknownColumns } from '../causes.ts';
import { counted } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import { keyText } from '../parts/key.ts';
import { readMessage } from '../parts/message.ts';
import type { PageRequest } from '../request.ts';

const SHOWN = 20;

export async function causesPart({ db }: PageRequest, name: string): Promise<Html> {
  const causes = await findCauses(db, name, SHOWN);
  if (causes.length === 0) return html``;
  return html`<section id="causes" aria-labelledby="causes-title"><h2 id="causes-title">Why files failed</h2>
<ul class="plain lines">${causes.map(
    (
      cause,
    ) => html`<li><b>${titleOf(cause)}</b> <a href="${link('/code', { code: cause.code })}">what it means</a>
<span class="error">${readMessage(cause.message, cause.first_key).what}</span>
<span class="hint">${readMessage(cause.message, cause.first_key).hint}</span>
<span class="note">first file: ${keyText(cause.first_key, name)}</span>
<a class="button" href="${repairAddress(cause)}">Repair</a></li>`,
  )}</ul></section>`;
}

/** Returns the cause in words: `unknown_column total_amount, 14 files`. */
export function titleOf(cause: Cause): string {
  const columns = unknownColumns(cause).map(({ source }) => ` ${source}`);
  return `${cause.code}${columns.join(',')}, ${counted(cause.files, 'file')}`;
}
