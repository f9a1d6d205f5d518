/** Asks for the current versions of objects, some of which may be gone. */
import { ConnectorError } from '../errors.ts';
import type { Source, SourceObject } from './source.ts';

/** HEAD requests at the same time. */
const HEADS = 10;

/**
 * Returns the object of each key, in the order of the keys; null for one that does not exist.
 * @throws ConnectorError the other errors of `source.head`
 */
export async function headAll(
  source: Source,
  keys: readonly string[],
  options: { signal?: AbortSignal } = {},
): Promise<(SourceObject | null)[]> {
  const objects: (SourceObject | null)[] = [];
  for (let at = 0; at < keys.length; at += HEADS) {
    const some = keys.slice(at, at + HEADS).map((key) => headIfThere(source, key, options));
    objects.push(...(await Promise.all(some)));
  }
  return objects;
}

/** Returns an object; null if it does not exist. */
export async function headIfThere(
  source: Source,
  key: string,
  options: { signal?: AbortSignal } = {},
): Promise<SourceObject | null> {
  try {
    return await source.head(key, options);
  } catch (error) {
    if (error instanceof ConnectorError && error.code === 'object_missing') return null;
    throw error;
  }
}
