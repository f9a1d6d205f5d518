const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** An XML element's content: text, or elements in order. */
export type Content = string | number | boolean | Elements;
export type Elements = [name: string, content: Content | undefined][];

/** A document of S3's; elements whose content is undefined are left out. */
export function document(root: string, content: Content): string {
  return documentOf(root, render(content));
}

/** A document whose content is already written. */
export function documentOf(root: string, content: string): string {
  return `${DECLARATION}<${root} xmlns="${NAMESPACE}">${content}</${root}>`;
}

/** S3's error document, the only one without a namespace. */
export function errorDocument(content: Elements): string {
  return `${DECLARATION}<Error>${render(content)}</Error>`;
}

export function render(content: Content): string {
  if (!Array.isArray(content)) return escapeText(String(content));
  let text = '';
  for (const [name, inner] of content) {
    if (inner !== undefined) text += `<${name}>${render(inner)}</${name}>`;
  }
  return text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: keys may hold any
const ESCAPED = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/;
const ALL_ESCAPED = new RegExp(ESCAPED, 'g');
const NAMED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/**
 * Control characters become character references as in S3's answers, also those that XML 1.0 does not allow;
 * a client that wants to read these asks for `encoding-type=url`.
 */
export function escapeText(text: string): string {
  if (!ESCAPED.test(text)) return text;
  return text.replace(
    ALL_ESCAPED,
    (character) => NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The reverse of `escapeText`, with XML's own treatment of line ends. */
export function unescapeText(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n').replaceAll(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (/^#x/i.test(name)) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number.parseInt(name.slice(1), 10));
    return ENTITIES[name] ?? whole;
  });
}

/** The raw content of each element of that name, nested ones of the same name excepted. */
export function contentsOf(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? '');
}
