/** The task that answers `call s3_connector.dry_run_file(name, key)`. */
import { sql } from 'kysely';
import { compileMatcher, type Verdict } from '../src/matcher.ts';
import { dryRunFile } from '../src/requests/dry_run.ts';
import { defineAnswer, jsonb, type Request } from '../src/requests/request.ts';

export default defineAnswer(async (request, worker) => {
  const { refusals, statements, ...result } = await dryRunFile(request, worker);
  const changes = statements.map((statement) => `the import would run: ${statement};`);
  const notices = [...leftOut(request), ...changes, ...refusals].map((message) => ({ message }));
  await sql`select s3_connector_private.answer(${request.id}, ${jsonb({ ...result, notices })})`.execute(
    worker.control.db,
  );
});

const WHY_NOT: Record<Exclude<Verdict, 'taken'>, (pattern: string) => string> = {
  unmatched: (pattern) => `the key does not match the connector's pattern ${pattern}`,
  hidden: () => 'a part of the key begins with _ or a dot, and include_hidden is false',
  excluded: () => 'a glob in exclude matches the key',
};

function leftOut({ argument, connector }: Request): string[] {
  const verdict = compileMatcher(connector).judge(argument ?? '');
  return verdict === 'taken' ? [] : [`${WHY_NOT[verdict](connector.pattern)}: no poll would import it`];
}
