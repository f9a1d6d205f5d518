/** The task that continues an audit by schedule, with as many LIST requests as a minute may cost. */
import { type Audit, resumeAudit } from '../src/audit/audit.ts';
import { walk } from '../src/audit/walk.ts';
import { describeError, locate } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { log } from '../src/log.ts';
import { toImportError } from '../src/sql_errors.ts';
import { defineTask } from '../src/task.ts';

export default defineTask<{ audit_id: number }>(async ({ audit_id }, worker, { abortSignal: signal }) => {
  const began = performance.now();
  const audit = await at('resume_audit', () => resumeAudit(worker, audit_id, signal));
  if (!audit) return;
  const { auditRequestsPerMinute: maxRequests } = worker.config;
  try {
    const end = await walk(worker, audit, { maxRequests, signal });
    log.info('audited', { connector: audit.connector.name, end, listRequests: audit.lists.requests });
    if (end !== 'stopped') return;
    const paidSeconds = (audit.lists.requests / maxRequests) * 60;
    await audit.continueIn(Math.max(0, paidSeconds - (performance.now() - began) / 1000));
  } catch (cause) {
    await postpone(audit, cause);
  }
});

async function postpone(audit: Audit, cause: unknown): Promise<void> {
  const error = locate(toImportError(cause), '');
  log.error('audit failed', {
    connector: audit.connector.name,
    code: error.code,
    error: describeError(error),
  });
  // The walk is over, and another try would find the same.
  if (error.code === 'list_incomplete') await audit.finish(error);
  else await audit.postpone(error);
}
