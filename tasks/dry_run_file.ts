/** The task that answers `call s3_connector.dry_run_file(name, key)`. */
import { sql } from 'kysely';
import { compileGlob } from '../src/glob.ts';
import { dryRunFile } from '../src/requests/dry_run.ts';
import { defineAnswer, jsonb, type Request } from '../src/requests/request.ts';

export default defineAnswer(async (request, worker) => {
  const { refusals, ...result } = await dryRunFile(request, worker);
  const notices = [...unmatched(request), ...refusals].map((message) => ({ message }));
  await sql`select s3_connector_private.answer(${request.id}, ${jsonb({ ...result, notices })})`.execute(
    worker.control.db,
  );
});

function unmatched({ argument, connector: { pattern } }: Request): string[] {
  if (compileGlob(pattern).matches(argument ?? '')) return [];
  return [`the key does not match the connector's pattern ${pattern}: no poll would import it`];
}
