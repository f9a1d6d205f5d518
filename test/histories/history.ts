/** One history: a connector with its prefix, its table and its model, and the calls that a person makes. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Fault } from '../../embedded/bucket/faults.ts';
import { NEVER_AGAIN } from '../support/world.ts';
import { audit, type Observed } from './auditor.ts';
import { type Body, type Version, writeVersion } from './bodies.ts';
import { BUCKET, type HistoriesWorld } from './histories_world.ts';
import { Model, type Refusal, type Settings } from './model.ts';
import { BUSY, OBSERVED, SETTLED } from './queries.ts';
import { trace } from './trace.ts';

/** An answer whose error comes of a fault; the call is repeated. */
const SPOILT = /"error_code":"(source_unavailable|connection_lost|reader_crashed)"|a fault at /;
/** With `hasStart`, keys up to this letter are left out. */
const START = 'b';
/** How long a history waits for what must happen. It is the end of patience, not a claim. */
const PATIENCE_MS = 120_000;
/** The intervals between two looks, in milliseconds. Most of what a history waits for takes a few of them; eight lanes look. */
const SHORTEST_MS = 10;
const LONGEST_MS = 50;

let opened = 0;

export class History {
  readonly world: HistoriesWorld;
  readonly name: string;
  readonly queueUrl: string;
  readonly model: Model;
  readonly #versions = new Map<string, Version[]>();

  private constructor(world: HistoriesWorld, lane: number, settings: Settings) {
    opened += 1;
    this.world = world;
    this.name = `h${opened}`;
    this.queueUrl = world.queue.urlOf(`lane-${lane}`);
    this.model = new Model(settings, settings.hasStart ? this.key(START) : null);
  }

  static async open(world: HistoriesWorld, lane: number, settings: Settings): Promise<History> {
    const history = new History(world, lane, settings);
    await world.gate.shared(() => history.#insert());
    // Its first poll must not see what arrives later.
    await history.settled();
    return history;
  }

  key(letter: string): string {
    return `${this.name}/${letter}`;
  }

  /** See trace. */
  trace(what: string): void {
    trace(`${this.name} ${what}`);
  }

  /** Puts a new version of an object. */
  async put(key: string, body: Body): Promise<Version> {
    const { kind, format, created } = this.model.settings;
    // The columns of a table that an import makes depend on its sample, so these files are alike.
    const own: Body = created ? { ...body, flaw: 'none', extra: 0 } : body;
    const written = await writeVersion(own, kind, format);
    const { etag } = this.world.server.store.put(BUCKET, key, written.bytes);
    const versions = this.#versions.get(key) ?? [];
    // Bytes without rows may be the same again, which nobody can tell from the version before.
    const version = versions.find((earlier) => earlier.etag === etag) ?? { ...written, etag };
    this.#versions.set(key, [...versions.filter((earlier) => earlier !== version), version]);
    this.model.bucket.set(key, version);
    return version;
  }

  /** Puts an earlier version again, or the current one. Returns false if there is none. */
  revert(key: string): boolean {
    const versions = this.#versions.get(key) ?? [];
    const version = versions.at(-2) ?? versions.at(-1);
    if (!version) return false;
    this.world.server.store.put(BUCKET, key, version.bytes);
    this.model.bucket.set(key, version);
    return true;
  }

  delete(key: string): void {
    this.world.server.store.delete(BUCKET, key);
    this.model.bucket.delete(key);
  }

  /** Calls a function of s3_connector with the connector's name; the refusal must be the model's. */
  async call(call: string, args: unknown[], refusal: Refusal): Promise<void> {
    const refused = await this.world.gate.shared(() => this.directly(call, args));
    assert.equal(refused, refusal, `${call} was refused or not, other than expected`);
  }

  /** As `call`, by somebody who has the gate. Returns the SQLSTATE of the refusal. */
  async directly(call: string, args: unknown[]): Promise<string | undefined> {
    const parameters = [this.name, ...args].map((_, i) => `$${i + 1}`).join(', ');
    return await this.#refusalOf(() =>
      this.world.db.query(`select s3_connector.${call}(${parameters})`, [this.name, ...args]),
    );
  }

  async #refusalOf(call: () => Promise<unknown>): Promise<string | undefined> {
    try {
      await call();
      return undefined;
    } catch (error) {
      const { code } = error as pg.DatabaseError;
      if (!code || !/^(42704|55000|55006)$/.test(code)) throw error;
      return code;
    }
  }

  /** Undoes a file as a role that is not the owner, so that a worker deletes the rows. */
  async undoByAnother(key: string): Promise<void> {
    const { world, model } = this;
    const hasRows = model.files.get(key)?.rows != null;
    const refusal = model.undo(key);
    const ask = () =>
      world.gate.shared(() =>
        this.#refusalOf(() => world.asAnother('select s3_connector.undo_file($1, $2)', [this.name, key])),
      );
    if (refusal !== undefined || !hasRows) {
      assert.equal(await ask(), refusal, 'undo_file was refused or not, other than expected');
      return;
    }
    // A fault, or a restart in another history, may end each try.
    await this.until('the file is undone', async () => {
      await ask().catch(() => {});
      await this.settled();
      const [file] = await this.#tryQuery<{ status: string }>(
        'select status from s3_connector.files where connector_name = $1 and key = $2',
        [this.name, key],
      );
      return file?.status === 'undone';
    });
  }

  /** Changes a column of the paused connector. */
  async update(column: string, value: string): Promise<void> {
    await this.world.gate.shared(() =>
      this.world.db.query(`update s3_connector.connectors set ${column} = $2 where name = $1`, [
        this.name,
        value,
      ]),
    );
  }

  async workerOf(key: string): Promise<number> {
    const { worker_id } = await this.world.db.one<{ worker_id: number }>(
      'select worker_id from s3_connector.files where connector_name = $1 and key = $2',
      [this.name, key],
    );
    return worker_id;
  }

  /**
   * Whether the import that was held has taken what the bucket has now, and not the version with which it began: its worker was
   * killed, or its GET was late and broke off.
   */
  async hasBegunAgain(key: string): Promise<boolean> {
    const began = this.model.files.get(key)!;
    const now = this.model.bucket.get(key);
    const file = await this.world.gate.shared(() =>
      this.world.db.one<{ etag: string; status: string; imports: number }>(
        `select f.etag, f.status, (
          select count(*) from s3_connector_private.file_history h where h.file_id = f.id and h.to_status = 'success'
        ) as imports
        from s3_connector.files f where f.connector_name = $1 and f.key = $2`,
        [this.name, key],
      ),
    );
    if (file.status === 'paused') return true;
    if (now === began.version) return false;
    // With on_overwrite = reimport, the new version may follow the old one at once.
    return now
      ? file.etag === now.etag && file.imports <= began.imports.length + 1
      : file.status === 'failure';
  }

  /** Calls a procedure, which a worker answers. */
  async ask<Answer extends object>(procedure: string, args: unknown[] = []): Promise<Answer[]> {
    const parameters = [this.name, ...args].map((_, i) => `$${i + 1}`).join(', ');
    const call = () =>
      this.world.gate.shared(() =>
        this.world.db.query<Answer>(`call s3_connector.${procedure}(${parameters})`, [this.name, ...args]),
      );
    if (!this.world.hasFaults) return await call();
    let answer: Answer[] | undefined;
    await this.until(`${procedure} is answered`, async () => {
      answer = await call().catch(() => undefined);
      return answer !== undefined && !SPOILT.test(JSON.stringify(answer));
    });
    return answer!;
  }

  /** Sends the event that S3 sends about an object, and waits until it is handled. */
  async event(key: string): Promise<void> {
    const object = {
      key: encodeURIComponent(key),
      eTag: this.world.server.store.get(BUCKET, key)?.etag.replaceAll('"', ''),
      size: 1,
    };
    const record = { eventName: 'ObjectCreated:Put', s3: { bucket: { name: BUCKET }, object } };
    this.world.queue.send(JSON.stringify({ Records: [record] }), this.queueUrl);
    await this.until('the event is handled', async () => this.world.queue.keptIn(this.queueUrl) === 0);
  }

  /** The next GET of the object stops after its first byte, until it is released or its reader dies. */
  stall(key: string): Fault {
    return this.world.server.faults.order({ operation: 'GetObject', key, stall: { after: 1 } });
  }

  /** Waits until nothing of the connector runs or waits, and compares everything with the model. */
  async settle(): Promise<void> {
    await this.settled();
    await audit(this.model, await this.#observe(), this.world.oracle);
  }

  async settled(): Promise<void> {
    let asked = Date.now();
    let last: unknown;
    await this.until(
      'the connector has settled',
      async () => {
        const [jobs] = await this.#tryQuery<{ busy: boolean }>(BUSY, [this.name]);
        last = jobs ?? last;
        if (jobs?.busy !== false) return false;
        const [status] = await this.#tryQuery<Record<string, unknown>>(SETTLED, [this.name]);
        last = status ?? last;
        // A poll that a fault has ended is repeated at the next minute, or now.
        if (status?.failed_poll && Date.now() > asked + 500) {
          asked = Date.now();
          await this.#tryQuery('select s3_connector.poll_now($1)', [this.name]);
        }
        return status?.settled === true;
      },
      () => JSON.stringify(last),
    );
  }

  /** Compares for the last time, after an audit, and removes the connector. */
  async close(): Promise<void> {
    await this.ask('audit');
    this.model.audit();
    await this.settle();
    await this.world.gate.shared(async () => {
      const { db } = this.world;
      await db.query('select s3_connector.pause($1)', [this.name]);
      await db.query('select s3_connector.drop_connector($1)', [this.name]);
      await db.query(`drop table if exists ${this.name}, ${this.name}_followed`);
    });
    for (const key of this.#versions.keys()) this.world.server.store.delete(BUCKET, key);
  }

  async #insert(): Promise<void> {
    const { settings, startAfter } = this.model;
    const { db, server } = this.world;
    if (!settings.created) await db.query(tableOf(this.name, settings));
    if (settings.follows) await db.query(`create table ${this.name}_followed (file_id bigint)`);
    const columns = { ...columnsOf(settings), name: this.name, bucket: BUCKET, endpoint: server.endpoint };
    const all = {
      ...columns,
      pattern: `${this.name}/*`,
      target_table: this.name,
      start_after: startAfter,
      ...(settings.follows ? { on_import: `insert into public.${this.name}_followed values ($1)` } : {}),
      event_queue_url: this.queueUrl,
    };
    const names = Object.keys(all);
    await db.query(
      `insert into s3_connector.connectors (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
      Object.values(all),
    );
  }

  async #observe(): Promise<Observed> {
    return await this.world.gate.shared(async () => {
      const { db } = this.world;
      const { seen } = await db.one<{ seen: Omit<Observed, 'rows' | 'followed'> & { has_table: boolean } }>(
        OBSERVED,
        [this.name],
      );
      const lineage = this.model.settings.lineage
        ? 'file_id, file_key, line'
        : 'null as file_id, null as file_key, null as line';
      const rows = seen.has_table
        ? await db.query<NonNullable<Observed['rows']>[number]>(
            `select to_jsonb(t) - '{file_id,file_key,line}'::text[] as values, ${lineage} from ${this.name} t`,
          )
        : null;
      const followed = this.model.settings.follows
        ? await db.query<{ file_id: number }>(`select file_id from ${this.name}_followed`)
        : null;
      return { ...seen, rows, followed: followed?.map(({ file_id }) => file_id) ?? null };
    });
  }

  /** As a query while the server may be away: then nothing is known yet. */
  async #tryQuery<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return await this.world.gate.shared(() => this.world.db.query<Row>(text, values).catch(() => []));
  }

  /** Waits for a condition; the error says what has not come. */
  async until(what: string, holds: () => Promise<boolean>, state: () => string = () => ''): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (let wait = SHORTEST_MS; !(await holds()); wait = Math.min(wait * 1.5, LONGEST_MS)) {
      if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what} ${state()}`);
      await delay(wait);
    }
  }
}

function tableOf(name: string, { kind, lineage, growth }: Settings): string {
  const columns = [
    'ver integer',
    kind === 'append' ? 'id integer' : 'id integer primary key',
    'v integer',
    'w text',
    ...(lineage ? ['file_id bigint', 'file_key text', 'line bigint'] : []),
    ...(growth === 'rescue' ? ['rest jsonb'] : []),
  ];
  return `create table ${name} (${columns.join(', ')})`;
}

function columnsOf(settings: Settings): Record<string, unknown> {
  const { kind, growth, lineage } = settings;
  const growths = {
    fixed: { on_unknown_column: 'fail' },
    ignore: { on_unknown_column: 'ignore' },
    grow: { on_unknown_column: 'add', on_type_mismatch: 'widen' },
    rescue: { on_unknown_column: 'rescue', on_type_mismatch: 'rescue', rescue_column: 'rest' },
  };
  return {
    file_format: settings.format,
    schedule: NEVER_AGAIN,
    // An attempt may meet a fault each time.
    max_attempts: 100,
    late_keys: settings.lateKeys,
    on_overwrite: settings.onOverwrite,
    on_bad_row: settings.onBadRow,
    max_tracked_files: settings.places,
    max_parallel_files: settings.parallel,
    ...growths[growth],
    ...(lineage ? { file_id_column: 'file_id', file_key_column: 'file_key', line_column: 'line' } : {}),
    ...(kind === 'merge' ? { on_conflict: settings.conflict } : {}),
    ...(kind === 'changes' ? { change_column: 'Op', change_values: 'dms' } : {}),
  };
}
