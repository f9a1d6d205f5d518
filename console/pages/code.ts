/** The page of an error code: what it means, and what to do. */
import { describeCode } from '../error_codes.ts';
import { type Html, html } from '../html.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';

const KINDS: Record<string, string> = {
  passing: 'It may go away without any change, so the file is retried by itself.',
  lasting: 'It stays until somebody changes something, so the file is not retried by itself.',
};

export async function codePage(request: PageRequest): Promise<Page> {
  const code = required(request, 'code');
  const rows = describeCode(code);
  if (rows.length === 0) throw new RequestError(404, `No error has the code ${code}.`);
  return {
    title: code,
    live: false,
    body: html`
<h1><code>${code}</code></h1>
<ul class="plain lines">${rows.map(
      ({ kind, cause, remedy }) =>
        html`<li>${cause && html`<p>${markdown(cause)}</p>`}<p class="hint">${markdown(remedy)}</p>${KINDS[kind] && html`<p class="note">${KINDS[kind]}</p>`}</li>`,
    )}</ul>
<p><a href="/">Back to the connectors</a></p>`,
  };
}

/** Returns Markdown as HTML: code, and links as their text. */
function markdown(text: string): Html {
  const plain = text.replace(/\[([^\][]*)\]\([^()]*\)/g, '$1').replaceAll('\\|', '|');
  return html`${plain.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
