/** The task that answers `call s3_connector.audit(name)`: a whole audit at once. */
import { sql } from 'kysely';
import { beginAskedAudit } from '../src/audit/audit.ts';
import { walk } from '../src/audit/walk.ts';
import { locate } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { defineAnswer } from '../src/requests/request.ts';

export default defineAnswer(async (request, worker) => {
  const { signal } = request;
  const audit = await at('begin_audit', () => beginAskedAudit(worker, request));
  try {
    const end = await walk(worker, audit, { maxRequests: Number.POSITIVE_INFINITY, signal });
    if (end === 'stopped') signal.throwIfAborted();
  } catch (cause) {
    // A worker that stops is no result: housekeeping ends the audit.
    if (!signal.aborted) await audit.finish(locate(cause, ''));
    throw cause;
  }
  await sql`select s3_connector_private.answer_audit(${request.id}, ${audit.id})`.execute(worker.control.db);
});
