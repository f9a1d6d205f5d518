/** The messages between the worker and an encoder thread. */
import type { Limits } from '../../compression/entries.ts';
import type { ErrorOptions } from '../../errors.ts';
import type { SpooledState } from '../../fetch/spooled_file.ts';
import type { Section as CsvSection, SectionPlan } from '../csv/binary/sections.ts';
import type { LineJump } from '../csv/normalize/file_lines.ts';
import type { StrayQuote } from '../csv/stray_quotes.ts';
import type { JsonPlan } from '../json/plan.ts';
import type { Section as JsonSection } from '../json/sections.ts';
import type { RowOrder } from '../sort/row_order.ts';
import type { SortedSection } from '../sort/sorted_sections.ts';

/** How an entry is encoded, by its format. `order`: how its rows are sorted; default: as in the file. */
export type Work =
  | { format: 'csv'; plan: SectionPlan; order?: RowOrder }
  | { format: 'json'; plan: JsonPlan };

export type Section = CsvSection | JsonSection | SortedSection;

/** Asks for the sections of one entry of a file. */
export interface ReadRequest {
  type: 'read';
  file: SpooledState;
  limits: Limits;
  /** The entry's position in the file, from 0. */
  entry: number;
  work: Work;
}

export type ThreadRequest =
  | ReadRequest
  /** More of the file was fetched: the bytes up to `available`. */
  | { type: 'grown'; available: number }
  /** The worker has room for one more section. */
  | { type: 'more' }
  /** The buffer of a section was written. */
  | { type: 'free'; buffer: ArrayBuffer };

export type ThreadAnswer =
  /** `wanted`: up to which byte of the file the thread has asked for. `jumps`: of the lines of a normalized CSV, since the section before. */
  | { type: 'section'; section: Section; jumps: LineJump[]; wanted: number }
  /** The same while rows are collected, and no section comes. */
  | { type: 'collecting'; wanted: number }
  /** `rows`: the sum over all sections. */
  | { type: 'done'; rows: number; stray: StrayQuote | null }
  | { type: 'refused'; code: string; message: string; options: ErrorOptions };
