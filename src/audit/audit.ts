/** One "audit": a row of `audits`, which any worker can continue. */
import { type Kysely, sql } from 'kysely';
import { objectsJson } from '../db/objects_json.ts';
import type { Connector, Database } from '../db/schema.ts';
import { type ConnectorError, describeError } from '../errors.ts';
import type { Request } from '../requests/request.ts';
import type { ListCount, SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';

interface AuditRow {
  id: number;
  marker: string | null;
  position: string | null;
}

/** Adds the audit that somebody called. */
export async function beginAskedAudit({ control }: WorkerContext, request: Request): Promise<Audit> {
  const { rows } = await sql<AuditRow>`
    select * from s3_connector_private.begin_asked_audit(${request.id})`.execute(control.db);
  return new Audit(control.db, rows[0]!, request.connector);
}

/** Takes an audit by schedule. Returns undefined if it is finished, or cannot continue now. */
export async function resumeAudit(
  worker: WorkerContext,
  id: number,
  signal: AbortSignal,
): Promise<Audit | undefined> {
  const { db } = worker.control;
  const workerId = await worker.liveness.aliveId(signal);
  const { rows } = await sql<AuditRow & { connector_name: string }>`
    select * from s3_connector_private.resume_audit(${id}, ${workerId})`.execute(db);
  const row = rows[0];
  if (!row) return undefined;
  const connector = await db
    .selectFrom('s3_connector.connectors')
    .selectAll()
    .where('name', '=', row.connector_name)
    .executeTakeFirst();
  return connector && new Audit(db, row, connector);
}

/** An audit that a worker walks. */
export class Audit {
  readonly id: number;
  readonly connector: Connector;
  /** The connector's marker when the audit began; null: nothing was behind it. */
  readonly marker: string | null;
  /** Counts the LIST requests of this worker. */
  readonly lists: ListCount = { requests: 0 };
  readonly #db: Kysely<Database>;
  #position: string | null;
  #recordedRequests = 0;

  constructor(db: Kysely<Database>, row: AuditRow, connector: Connector) {
    this.#db = db;
    this.id = row.id;
    this.marker = row.marker;
    this.#position = row.position;
    this.connector = connector;
  }

  /** The last key that it has passed. */
  get position(): string | null {
    return this.#position;
  }

  /**
   * Compares objects with the files, and moves the position.
   * @param position null: to the end
   * @returns whether the audit may go on: nobody ended it or walks too, and its connector was not paused or deleted
   */
  async compare(
    objects: readonly SourceObject[],
    { position, keysListed }: { position: string | null; keysListed: number },
  ): Promise<boolean> {
    const { rows } = await sql<{ goes_on: boolean }>`
      select s3_connector_private.commit_audit_page(
        ${this.id}, ${this.#position}, ${objectsJson(objects)}::text::jsonb, ${position}, ${keysListed}, ${this.#newRequests()}
      ) as goes_on`.execute(this.#db);
    this.#position = position ?? this.marker;
    return rows[0]!.goes_on;
  }

  /** Ends it, with an error if it failed. */
  async finish(error?: ConnectorError): Promise<void> {
    await sql`
      select s3_connector_private.finish_audit(
        ${this.id}, ${this.#newRequests()}, ${error?.code ?? null}, ${error ? describeError(error) : null}
      )`.execute(this.#db);
  }

  /** Records why it could not go on. It tries again later. */
  async postpone(error: ConnectorError): Promise<void> {
    await sql`
      select s3_connector_private.postpone_audit(
        ${this.id}, ${this.#newRequests()}, ${error.code}, ${describeError(error)}
      )`.execute(this.#db);
  }

  /** Queues the job that continues it. */
  async continueIn(seconds: number): Promise<void> {
    await sql`
      select s3_connector_private.queue_audit(${this.id}, now() + ${seconds} * interval '1 second')`.execute(
      this.#db,
    );
  }

  /** Returns how many LIST requests are not recorded yet. */
  #newRequests(): number {
    const requests = this.lists.requests - this.#recordedRequests;
    this.#recordedRequests = this.lists.requests;
    return requests;
  }
}
