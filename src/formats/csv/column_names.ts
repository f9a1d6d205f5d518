/** Makes column names from a file's header. */

/**
 * Returns the names in snake case: lower case, and one underscore for each run of characters that are no letters or digits. A name
 * that occurs again gets a number: `total`, `total_2`.
 */
export function snakeNames(names: string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, position) => {
    const plain = name
      .normalize('NFC')
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}]+/gu, '_')
      .replace(/^_|_$/g, '');
    const base = plain === '' ? `column${position + 1}` : /^\p{N}/u.test(plain) ? `_${plain}` : plain;
    let unique = base;
    for (let number = 2; taken.has(unique); number++) unique = `${base}_${number}`;
    taken.add(unique);
    return unique;
  });
}
