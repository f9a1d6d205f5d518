/** The task that answers `call s3_connector.audit(name)`. */
import { sql } from 'kysely';
import { auditKeys } from '../src/ask/audit.ts';
import { defineAnswer } from '../src/ask/request.ts';

export default defineAnswer(async (request, worker) => {
  const { keysListed, keysMatched } = await auditKeys(request, worker);
  await sql`select s3_connector_private.answer_audit(${request.id}, ${keysListed}, ${keysMatched})`.execute(
    worker.control.db,
  );
});
