/** The task that answers `call s3_connector.check(name)`. */
import { sql } from 'kysely';
import { checkConnector } from '../src/requests/check.ts';
import { defineAnswer, jsonb } from '../src/requests/request.ts';

export default defineAnswer(async (request, worker) => {
  const steps = await checkConnector(request, worker);
  await sql`select s3_connector_private.answer_check(${request.id}, ${jsonb(steps)})`.execute(
    worker.control.db,
  );
});
