/** The task that answers `call s3_connector.preview(name)`: list -> fetch the first file -> describe its columns. */
import { sql } from 'kysely';
import { describeCensus } from '../src/requests/census.ts';
import { noticeOfFiles, previewColumns } from '../src/requests/preview.ts';
import { defineAnswer, jsonb } from '../src/requests/request.ts';
import { listFirst, sampleOf } from '../src/requests/sample.ts';

/** `places`: keys in preview_files. `maxRequests`: LIST requests to find them, 1,000 keys each. */
const LIMITS = { places: 1000, maxRequests: 100 };

export default defineAnswer(async (request, worker) => {
  const listing = await listFirst(worker.sources.open(request.connector), request.connector, LIMITS);
  const sample = sampleOf(listing);
  const preview = sample
    ? await previewColumns(worker, request, sample)
    : { columns: [], rows: [], notices: [{ message: 'no columns: no matching file that is not empty' }] };
  const files = listing.objects.map((object) => ({
    key: object.key,
    size_bytes: object.sizeBytes,
    last_modified: object.lastModified,
  }));
  const census = describeCensus(listing.census);
  const notices = [noticeOfFiles(listing), ...(census ? [{ message: census }] : []), ...preview.notices];
  await sql`
    select s3_connector_private.answer_preview(
      ${request.id}, ${jsonb(files)}, ${jsonb(preview.columns)}, ${jsonb(preview.rows)}, ${jsonb(notices)}
    )`.execute(worker.control.db);
});
