/** Writes refused rows to rejected_rows, and enforces max_bad_rows. */

import { storable } from '../db/storable.ts';
import { ConnectorError } from '../errors.ts';
import type { Refusal } from '../formats/format.ts';
import type { PartCopy } from './part_copy.ts';

/** How much of a raw line is stored, in characters. */
const MAX_RAW = 65_536;
/** How much of a reason is stored, in characters. A trigger of the owner may raise an error of any length. */
const MAX_REASON = 10_000;
/** So many rows, or characters of them, are written together. */
const MAX_ROWS = 5000;
const MAX_CHARACTERS = 4 << 20;
/** How many refused rows a dry run reports. */
const SHOWN_REFUSALS = 10;

/** Collects the refused rows of a part, and writes them. */
export class Rejects {
  /** Rows refused so far, and how many of them PostgreSQL reports as written. */
  count = 0;
  written = 0;
  readonly #copy: PartCopy;
  #rows: Refusal[] = [];
  #characters = 0;

  constructor(copy: PartCopy) {
    this.#copy = copy;
  }

  /** Whether it is time to write. */
  get full(): boolean {
    return this.#rows.length >= MAX_ROWS || this.#characters >= MAX_CHARACTERS;
  }

  /**
   * Adds a refused row.
   * @throws ConnectorError `too_many_bad_rows`
   */
  add(refusal: Refusal): void {
    this.count++;
    // Checked for each row: a batch may have a million more.
    checkLimit(this.#copy, this.count, refusal);
    const raw = storable(refusal.raw.slice(0, MAX_RAW));
    const reason = storable(refusal.reason.slice(0, MAX_REASON));
    this.#rows.push({ ...refusal, reason, raw });
    this.#characters += raw.length + reason.length;
  }

  /** Writes the collected rows. */
  async write(): Promise<void> {
    const { client, file, token, part, dryRun, signal } = this.#copy;
    const rows = this.#rows;
    this.#rows = [];
    this.#characters = 0;
    signal.throwIfAborted();
    if (rows.length === 0) return;
    if (dryRun) {
      const places = SHOWN_REFUSALS - dryRun.refusals.length;
      dryRun.refusals.push(...rows.slice(0, places).map((row) => describe(part.unit, row)));
      dryRun.refused?.push(...rows);
      this.written += rows.length;
      return;
    }
    const { rows: answer } = await client.query<{ count: number }>(
      'select s3_connector_import.reject_rows($1, $2, $3, $4)::integer as count',
      [file.id, file.attempt_id, token, JSON.stringify(rows)],
    );
    this.written += answer[0]!.count;
  }
}

/** Forgets what a dry run reports of an earlier try at the part, which was rolled back. */
export function forgetRefusals({ dryRun, rejectedBefore }: PartCopy): void {
  if (dryRun) dryRun.refusals.length = Math.min(dryRun.refusals.length, rejectedBefore);
}

function checkLimit({ connector, part, rejectedBefore }: PartCopy, rejected: number, last: Refusal): void {
  if (connector.max_bad_rows === null || rejectedBefore + rejected <= connector.max_bad_rows) return;
  throw new ConnectorError(
    'too_many_bad_rows',
    `more than max_bad_rows (${connector.max_bad_rows}) rows are bad; one is ${describe(part.unit, last)}`,
    {
      hint: 'Nothing of the file was imported. If most of its rows are bad, check target_table and, for CSV, csv_delimiter, csv_quote and csv_encoding. To import the good rows anyway, pause the connector, raise max_bad_rows (null: no limit), resume it, then retry the file.',
    },
  );
}

function describe(unit: string, { line, column, reason }: Refusal): string {
  return `${unit} ${line}${column === null ? '' : `, column ${column}`}: ${reason}`;
}
