import { ConnectorError } from '../../errors.ts';

/** What the zstd program itself expands without being told that it may take more memory. */
export const MAX_WINDOW_LOG = 27;

export function truncated(): ConnectorError {
  return new ConnectorError('truncated_zstd', 'the zstd file ends in the middle', {
    hint: 'Upload the file again.',
  });
}

export function corrupt(what: string, cause?: unknown): ConnectorError {
  return new ConnectorError('corrupt_zstd', `the zstd file is damaged: ${what}`, {
    hint: 'Upload the file again.',
    cause,
  });
}

export function unsupported(what: string, hint: string, cause?: unknown): ConnectorError {
  return new ConnectorError('unsupported_zstd', `the zstd file cannot be read: ${what}`, { hint, cause });
}

export function windowTooLarge(cause?: unknown): ConnectorError {
  const limit = (2 ** MAX_WINDOW_LOG) >> 20;
  return unsupported(
    `it takes a window of more than ${limit} MiB of memory`,
    `Compress it with --long=${MAX_WINDOW_LOG} at most.`,
    cause,
  );
}
