/** Copies the good rows of a part, and writes the bad ones to rejected_rows. */
import pg from 'pg';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import type { CopyInput, RaggedRows, Refusal, RowSet } from '../formats/format.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../reconcile.ts';
import { isBadRow, reasonOf } from '../sql_errors.ts';
import type { Destination } from './destination.ts';
import { reportMismatch } from './mismatch.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';
import { forgetRefusals, Rejects } from './rejects.ts';
import { sift } from './sift.ts';
import { Trials } from './trials.ts';

/**
 * Returns a way of copying that also takes a part with bad rows. It costs a savepoint; only a bad row makes it read the part
 * again.
 * @param copyRows the way that is tried first
 */
export function withBadRows(copyRows: CopyRows): CopyRows {
  return async function copyWithBadRows(copy, destination) {
    forgetRefusals(copy);
    try {
      return await inSavepoint(copy.client, () => copyRows(copy, destination));
    } catch (error) {
      if (!isBadRow(error)) throw error;
    }
    return await copyGoodRows(copy, destination);
  };
}

/**
 * Returns a way of copying whose error names the line of a bad row. COPY does so by itself, an INSERT does not: its part is read
 * again up to that row.
 * @param copyRows the way that is tried first
 */
export function withLines(copyRows: CopyRows): CopyRows {
  return async function copyWithLines(copy, destination) {
    try {
      return await inSavepoint(copy.client, () => copyRows(copy, destination));
    } catch (error) {
      if (isBadRow(error) && error.line === undefined) await failAtBadRow(copy, destination);
      throw error;
    }
  };
}

/**
 * Copies many rows at a time, in their order, and more slowly where PostgreSQL refuses some: bad rows go to rejected_rows, or the
 * first one fails the part.
 * @throws ConnectorError the error of a bad row, with its line; `too_many_bad_rows`, and errors that no row caused
 */
export async function copyInBatches(copy: PartCopy, destination: Destination): Promise<RowCounts> {
  if (copy.connector.on_bad_row === 'fail') return await failAtBadRow(copy, destination);
  forgetRefusals(copy);
  return await copyGoodRows(copy, destination);
}

/** Copies many rows at a time, and throws the error of the first bad one, with its line. */
async function failAtBadRow(copy: PartCopy, destination: Destination): Promise<RowCounts> {
  const trials = new Trials(copy);
  let counts: RowCounts = NO_ROWS;
  for await (const batch of copy.part.batches(copy.plan)) {
    const tryRows = async (start: number, end: number, without: number[]) => {
      counts = addCounts(counts, await trials.copy(destination, batch.copyInput(start, end, without)));
    };
    await sift(batch, tryRows, async (row, error) => {
      const named = await nameColumn(trials, destination, batch, row, error);
      throw atLine(named, copy.part.unit, batch.line(row));
    });
  }
  return counts;
}

function atLine(error: ConnectorError, unit: string, line: number): ConnectorError {
  const { code, message, column, hint, cause } = error;
  // COPY's own errors have the place already.
  if (error.line !== undefined) return error;
  const where = column === undefined ? `${unit} ${line}` : `${unit} ${line}, column ${column}`;
  return new ConnectorError(code, `${where}: ${message}`, { line, column, hint, cause });
}

/** Adds the computed column to the error of a row that its expression fails: an INSERT does not say which one it was. */
async function nameColumn(
  trials: Trials,
  destination: Destination,
  rows: RowSet,
  row: number,
  error: ConnectorError,
): Promise<ConnectorError> {
  if (error.line !== undefined) return error;
  for (const { column, statement } of destination.evaluations ?? []) {
    try {
      await trials.evaluate(destination, rows.copyInput(row, row + 1), statement);
    } catch (found) {
      if (!isBadRow(found)) throw found;
      const { code, message, hint, cause } = found;
      return new ConnectorError(code, message, { column, hint, cause });
    }
  }
  return error;
}

/**
 * Copies the rows that PostgreSQL accepts, and writes the others to rejected_rows. Only PostgreSQL judges values: rows are
 * copied many at a time, and again without the one that it refuses. The reader sorts out rows with a wrong structure.
 * @throws ConnectorError `too_many_bad_rows`, and errors that no row caused
 */
async function copyGoodRows(copy: PartCopy, destination: Destination): Promise<RowCounts> {
  const copier = new GoodRowsCopier(copy, destination);
  for await (const batch of copy.part.batches(copy.plan)) {
    copier.read += batch.rowsRead;
    for (const refusal of batch.refusals) {
      if (refusal.mismatch) await reportMismatch(copy, refusal.mismatch);
      await copier.refuse(refusal);
    }
    for (const rows of batch.ragged) await copier.refuseRagged(rows);
    await copier.copy(batch);
    await copier.writeRefused();
  }
  return copier.counts;
}

class GoodRowsCopier {
  readonly #copy: PartCopy;
  readonly #destination: Destination;
  readonly #trials: Trials;
  readonly #rejects: Rejects;
  /** PostgreSQL's reasons for ragged rows, by their number of fields. */
  readonly #raggedReasons = new Map<number, string>();
  /** Rows that the reader found in the batches. */
  read = 0;
  /** The counts of COPYs that succeeded. */
  #copied: RowCounts = NO_ROWS;

  constructor(copy: PartCopy, destination: Destination) {
    this.#copy = copy;
    this.#destination = destination;
    this.#trials = new Trials(copy);
    this.#rejects = new Rejects(copy);
  }

  get counts(): RowCounts {
    return { ...this.#copied, read: this.read, rejected: this.#rejects.written };
  }

  async copy(rows: RowSet): Promise<void> {
    const tryRows = async (start: number, end: number, without: number[]) => {
      await this.#copyOnce(rows.copyInput(start, end, without));
    };
    await sift(rows, tryRows, (row, error) => this.#refuseRow(rows, row, error));
  }

  /** Refuses rows with COPY's own reason, without a COPY for each: one probe tests many. */
  async refuseRagged(rows: RaggedRows): Promise<void> {
    const { columns } = this.#destination;
    const probe = async (start: number, end: number, without: number[]) => {
      const { columns: count, input } = rows.probe(start, end, without);
      await this.#trials.probe({ ...this.#destination, columns: columns.slice(0, count) }, input);
      for (let row = start; row < end; row++)
        if (!without.includes(row)) await this.#refuseRaggedRow(rows, row);
    };
    await sift(rows, probe, (row, error) => this.#refuseRow(rows, row, error));
  }

  async refuse(refusal: Refusal): Promise<void> {
    this.#rejects.add(refusal);
    if (this.#rejects.full) await this.writeRefused();
  }

  async writeRefused(): Promise<void> {
    await this.#trials.undoFailed();
    await this.#rejects.write();
  }

  /** Refuses a ragged row. PostgreSQL gives the reason for the first row of each number of fields, in the server's language. */
  async #refuseRaggedRow(rows: RaggedRows, row: number): Promise<void> {
    const reason = this.#raggedReasons.get(rows.fields);
    if (reason !== undefined) {
      await this.refuse({ line: rows.line(row), column: null, reason, raw: rows.raw(row) });
      return;
    }
    try {
      await this.#copyOnce(rows.copyInput(row, row + 1));
    } catch (error) {
      if (!isBadRow(error)) throw error;
      if (error.code === 'bad_row') this.#raggedReasons.set(rows.fields, toReason(error));
      await this.#refuseRow(rows, row, error);
    }
  }

  async #copyOnce(input: CopyInput): Promise<void> {
    this.#copied = addCounts(this.#copied, await this.#trials.copy(this.#destination, input));
  }

  async #refuseRow(rows: RowSet, row: number, failure: ConnectorError): Promise<void> {
    await reportMismatch(this.#copy, failure);
    const error = await nameColumn(this.#trials, this.#destination, rows, row, failure);
    const { column = null } = error;
    await this.refuse({ line: rows.line(row), column, reason: toReason(error), raw: rows.raw(row) });
  }
}

function toReason(error: ConnectorError): string {
  return error.cause instanceof pg.DatabaseError ? reasonOf(error.cause) : error.message;
}
