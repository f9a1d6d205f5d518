/** "Archived" objects: S3 lists them, and refuses to read them until somebody restores a copy. */
import type { SourceObject } from './source.ts';

/** S3's archive classes. A listing does not tell the archive tiers of INTELLIGENT_TIERING, nor whether a copy is restored. */
const ARCHIVE_CLASSES = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** Returns whether an object is listed in an archive class. */
export function isArchived({ storageClass }: SourceObject): boolean {
  return storageClass !== undefined && ARCHIVE_CLASSES.has(storageClass);
}
