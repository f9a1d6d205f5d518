/** Writes S3's XML responses, and reads the simple XML of its requests. */
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** The content of an XML element: text, or elements in order. */
export type Content = string | number | boolean | Elements;
export type Elements = [name: string, content: Content | undefined][];

/** Returns a document. Elements whose content is undefined are omitted. */
export function document(root: string, content: Content): string {
  return documentOf(root, render(content));
}

/** Returns a document whose content is already XML. */
export function documentOf(root: string, content: string): string {
  return `${DECLARATION}<${root} xmlns="${NAMESPACE}">${content}</${root}>`;
}

/** Returns S3's error document, the only document without a namespace. */
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
 * Escapes text. Control characters become character references as in S3's responses, also those that XML 1.0 does not
 * allow. Clients that must read such keys request `encoding-type=url`.
 */
export function escapeText(text: string): string {
  if (!ESCAPED.test(text)) return text;
  return text.replace(
    ALL_ESCAPED,
    (character) => NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Reverses `escapeText`, and normalizes line ends as XML requires. */
export function unescapeText(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n').replaceAll(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (/^#x/i.test(name)) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number.parseInt(name.slice(1), 10));
    return ENTITIES[name] ?? whole;
  });
}

/** Returns the raw content of each element of that name. Nested elements of the same name are not supported. */
export function contentsOf(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? '');
}
