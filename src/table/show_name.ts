/** Shows names in messages so that blanks, invisible characters and letters that look alike can be told apart. */

/** Returns the name in quotes. Characters that cannot be seen are written as `\u{200b}`. */
export function showName(name: string): string {
  const visible = name.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (char) => `\\u{${codeOf(char)}}`);
  return `"${visible}"`;
}

export const showNames = (names: string[]): string => names.map(showName).join(', ');

/** Returns the name in quotes, and which of the others it may have been meant to be. */
export function showBeside(name: string, others: string[]): string {
  const alike = others.find((other) => skeleton(other) === skeleton(name));
  if (alike === undefined) return showName(name);
  const odd = [...name].filter((char) => char > '\x7f' && !alike.includes(char));
  const codes = odd.map((char) => `${char} is U+${codeOf(char).padStart(4, '0').toUpperCase()}, `).join('');
  return `${showName(name)} (${codes}the table has ${showName(alike)})`;
}

const codeOf = (char: string) => char.codePointAt(0)!.toString(16);

/** Cyrillic and Greek letters that look like Latin ones. */
const LOOK_LIKE: Record<string, string> = Object.fromEntries(
  [
    'аa',
    'еe',
    'оo',
    'рp',
    'сc',
    'уy',
    'хx',
    'іi',
    'јj',
    'ѕs',
    'һh',
    'ԁd',
    'οo',
    'αa',
    'ν' + 'v',
    'ρp',
    'ιi',
  ].map((pair) => [pair[0]!, pair[1]!]),
);

/** Returns what a person sees of a name: no blanks, no capitals, Latin letters. */
function skeleton(name: string): string {
  const plain = name
    .normalize('NFKC')
    .replace(/[\p{C}\p{Z}_-]/gu, '')
    .toLowerCase();
  return [...plain].map((char) => LOOK_LIKE[char] ?? char).join('');
}
