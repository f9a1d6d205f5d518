/** Tells which objects are archived: S3 does not send their bytes until they are restored. */
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';

/** Storage classes whose objects are archived. Those of INTELLIGENT_TIERING are if they have an archive status. */
const ARCHIVES: ReadonlySet<string | undefined> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** Returns whether a HEAD answer is of an archived object. A restored one keeps its storage class. */
export function isArchived(
  answer: Pick<HeadObjectCommandOutput, 'StorageClass' | 'ArchiveStatus' | 'Restore'>,
): boolean {
  const isInArchive = ARCHIVES.has(answer.StorageClass) || answer.ArchiveStatus !== undefined;
  return isInArchive && !answer.Restore?.includes('ongoing-request="false"');
}
