/** "Requests": calls that a worker answers. The caller waits for the answer, except for an undo. */
import { type Kysely, sql } from 'kysely';
import type { ChangeMap, ColumnMapping, Database, FileFormatRow, ReadConnector } from '../db/schema.ts';
import { ConnectorError, locate } from '../errors.ts';
import { at } from '../fault_points.ts';
import { log } from '../log.ts';
import { defineTask, type TaskDefinition, type WorkerContext } from '../task.ts';

/** The tasks that answer requests. */
export const REQUEST_KINDS = ['check', 'preview', 'dry_run_file', 'audit', 'undo_file', 'reimport_file'];

export interface Request {
  id: number;
  connector: ReadConnector;
  mappings: ColumnMapping[];
  /** The second argument: the key of dry_run_file, undo_file or reimport_file. */
  argument: string | null;
  /** The connector's import_timeout, in milliseconds. */
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Defines a task that answers requests. The caller gets an error that it throws.
 * @param onError is called if nobody waits for the answer
 */
export function defineAnswer(
  answer: (request: Request, worker: WorkerContext) => Promise<void>,
  onError?: (worker: WorkerContext, requestId: number, error: ConnectorError) => Promise<void>,
): TaskDefinition {
  return defineTask<{ request_id: number }>(async ({ request_id }, worker, { abortSignal, job }) => {
    const request = await at('start_request', () => start(worker, request_id, abortSignal));
    if (!request) return;
    const fields = { request: job.task_identifier, connector: request.connector.name };
    try {
      await at('answer', () => answer(request, worker));
      log.info('answered', fields);
    } catch (cause) {
      const error = abortSignal.aborted ? workerStopped(cause) : locate(cause, '');
      log.warn('request failed', { ...fields, code: error.code, error: error.message });
      await at('answer_with_error', () => answerWithError(worker.control.db, request_id, error));
      await onError?.(worker, request_id, error);
    }
  });
}

/** Returns undefined if the caller no longer waits, or the connector was deleted. */
async function start(worker: WorkerContext, id: number, signal: AbortSignal): Promise<Request | undefined> {
  const { db } = worker.control;
  const workerId = await worker.liveness.aliveId(signal);
  const { rows } = await sql<{ connector_name: string; argument: string | null }>`
    select * from s3_connector_private.start_request(${id}, ${workerId})`.execute(db);
  const request = rows[0];
  if (!request) return undefined;
  const [connector, mappings] = await Promise.all([
    db
      .selectFrom('s3_connector.connectors')
      .selectAll()
      .select([
        sql<number>`s3_connector_private.milliseconds(import_timeout)`.as('timeout_ms'),
        sql<FileFormatRow>`s3_connector_private.reading_format(connectors)`.as('format'),
        sql<ChangeMap | null>`s3_connector_private.change_map(change_values)`.as('change_map'),
      ])
      .where('name', '=', request.connector_name)
      .executeTakeFirst(),
    db
      .selectFrom('s3_connector.column_mappings')
      .selectAll()
      .where('connector_name', '=', request.connector_name)
      .execute(),
  ]);
  if (!connector) return undefined;
  return { id, connector, mappings, argument: request.argument, timeoutMs: connector.timeout_ms, signal };
}

async function answerWithError(db: Kysely<Database>, id: number, error: ConnectorError): Promise<void> {
  await sql`
    select s3_connector_private.answer_with_error(${id}, ${error.code}, ${error.message}, ${error.hint ?? null})
  `.execute(db);
}

function workerStopped(cause: unknown): ConnectorError {
  return new ConnectorError('worker_stopped', 'the worker was stopped before it answered', {
    hint: 'Call it again when a worker is alive.',
    cause,
  });
}

/** Returns a jsonb value. It is sent as text, because the driver would send a string for jsonb as a JSON string. */
export function jsonb(value: unknown) {
  return sql`${JSON.stringify(value)}::text::jsonb`;
}
