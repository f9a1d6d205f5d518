/** Returns the items from `start` up to `end`, which is excluded, except those at the positions in `without`. */
export function pick<Item>(items: Item[], start: number, end: number, without: number[]): Item[] {
  if (without.length === 0) return items.slice(start, end);
  const left = new Set(without);
  return items.slice(start, end).filter((_, i) => !left.has(start + i));
}
