/** The way back from a page: links to the pages above it. */
import { type Html, html, link } from '../html.ts';

/** @param connector its page is above, too */
export function crumbs(connector?: string): Html {
  const above =
    connector !== undefined &&
    html` <span aria-hidden="true">/</span> <a href="${link('/connector', { name: connector })}">${connector}</a>`;
  return html`<p class="crumbs"><a href="/">Connectors</a>${above}</p>`;
}
