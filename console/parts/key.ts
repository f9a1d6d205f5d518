/** Keys of objects. They may have 1,024 bytes, and differ at the end. */
import { type Html, html, link } from '../html.ts';

const LONGEST = 64;

/** Returns the key, shortened in the middle, with a button that copies all of it. With a connector, it links to the file. */
export function keyText(key: string, connector?: string): Html {
  const isLong = key.length > LONGEST;
  const text = isLong ? `${key.slice(0, LONGEST / 2 - 8)}…${key.slice(-LONGEST / 2 - 7)}` : key;
  const whole = isLong && html` title="${key}" aria-label="${key}"`;
  const shown =
    connector === undefined
      ? html`<span class="key"${isLong && html` title="${key}"`}>${text}</span>`
      : html`<a class="key" href="${link('/file', { name: connector, key })}"${whole}>${text}</a>`;
  return html`${shown}${copyButton(key)}`;
}

/** Returns a button that copies a text. It works only with the page's script, which shows it. */
export function copyButton(text: string): Html {
  return html` <button type="button" class="copy" data-copy="${text}" aria-label="Copy ${text.length > 100 ? `${text.slice(0, 100)}…` : text}">Copy</button>`;
}
