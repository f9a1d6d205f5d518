/**
 * Reads an object's bytes as they are stored. Some servers decompress an object with Content-Encoding gzip on the way, so that
 * neither its size nor a range of it is as listed: https://docs.cloud.google.com/storage/docs/transcoding
 */
import type { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import type { Place } from './s3_places.ts';

/** The error for an answer with other bytes than the stored ones. */
export class Transcoded extends Error {
  override name = 'Transcoded';
}

/**
 * Makes a read of a place that decompresses ask for gzip, which prevents it. Elsewhere it would be a request to compress:
 * so no header is sent before the place is known. The header is not signed, because such servers change it on the way.
 * @throws Transcoded if the answer has other bytes
 */
export function askForStoredBytes(command: GetObjectCommand | HeadObjectCommand, place: Place): void {
  (command as GetObjectCommand).middlewareStack.add(
    (next) => async (args) => {
      askForGzip(args.request as { headers: Record<string, string> }, place);
      const result = await next(args);
      const { headers, body } = result.response as {
        headers: Record<string, string>;
        body?: { destroy?(): void };
      };
      if (!isTranscoded(headers)) return result;
      body?.destroy?.();
      throw new Transcoded('the server sends the object decompressed');
    },
    // After the signature.
    { step: 'deserialize', name: 'askForStoredBytes', priority: 'low' },
  );
}

/** Makes a signed request ask for gzip if its place decompresses objects. */
export function askForGzip(request: { headers: Record<string, string> }, { gunzips }: Place): void {
  if (gunzips) request.headers['accept-encoding'] = 'gzip';
}

/** Returns whether an answer says that it has other bytes than the stored ones. */
export function isTranscoded(headers: Record<string, string>): boolean {
  // 214: "transformation applied" (https://www.rfc-editor.org/rfc/rfc7234#section-5.5.6).
  if (/^214\b/.test(headers.warning ?? '')) return true;
  return headers['x-goog-stored-content-encoding'] === 'gzip' && headers['content-encoding'] === undefined;
}
