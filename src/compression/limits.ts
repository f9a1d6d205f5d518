/** Limits the size of expanded files. */
import { ConnectorError } from '../errors.ts';
import type { Limits } from './compression.ts';

/** How many times max_file_bytes a file may have when expanded, in any format. */
const MAX_EXPANSION = 20;

export function limitsOf({ max_file_bytes }: { max_file_bytes: number }): Limits {
  return { maxExpandedBytes: max_file_bytes * MAX_EXPANSION };
}

/**
 * Checks the expanded size so far, in bytes.
 * @throws ConnectorError `expanded_too_large`
 */
export function checkExpanded(size: number, limits: Limits): void {
  if (size <= limits.maxExpandedBytes) return;
  throw new ConnectorError(
    'expanded_too_large',
    `expected at most ${limits.maxExpandedBytes} bytes when expanded, got at least ${size}`,
    { hint: "Split the file, or raise the connector's max_file_bytes." },
  );
}
