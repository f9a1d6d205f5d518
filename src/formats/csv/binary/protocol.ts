import type { Limits } from '../../../compression/entries.ts';
import type { ErrorOptions } from '../../../errors.ts';
import type { SpooledState } from '../../../fetch/spooled_file.ts';
import type { Section, SectionPlan } from './sections.ts';

/** Asks for the sections of one entry of a file. */
export interface ReadRequest {
  type: 'read';
  file: SpooledState;
  limits: Limits;
  /** The entry's position in the file, from 0. */
  entry: number;
  plan: SectionPlan;
}

/** What the worker asks of an encoder thread. */
export type ThreadRequest =
  | ReadRequest
  /** So many bytes of the file are there now. */
  | { type: 'grown'; available: number }
  /** The receiver has room for one more section. */
  | { type: 'more' };

/** What an encoder thread answers. */
export type ThreadAnswer =
  /** And up to where it has asked for bytes of the file. */
  | { type: 'section'; section: Section; wanted: number }
  /** After sections of so many rows together. */
  | { type: 'done'; rows: number }
  | { type: 'refused'; code: string; message: string; options: ErrorOptions };
