/** The task that answers `call s3_connector.audit(name)`. */
import { sql } from 'kysely';
import { auditKeys } from '../src/requests/audit.ts';
import { defineAnswer } from '../src/requests/request.ts';

export default defineAnswer(async (request, worker) => {
  const { keysListed, keysMatched } = await auditKeys(request, worker);
  await sql`select s3_connector_private.answer_audit(${request.id}, ${keysListed}, ${keysMatched})`.execute(
    worker.control.db,
  );
});
