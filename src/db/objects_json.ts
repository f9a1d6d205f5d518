/** Writes listed objects as SQL functions take them. */
import type { SourceObject } from '../sources/source.ts';

/** Returns a JSON array with the columns that `late_files` and `files` have of each object. */
export function objectsJson(objects: readonly SourceObject[]): string {
  return JSON.stringify(
    objects.map((object) => ({
      key: object.key,
      etag: object.etag,
      size_bytes: object.sizeBytes,
      last_modified: object.lastModified,
    })),
  );
}
