/** The content of a form, and the answer to it. */
import type { ConsoleDatabase } from './database.ts';
import type { Outcome } from './outcome.ts';
import type { Page } from './request.ts';
import type { Rights } from './rights.ts';

export interface FormRequest {
  db: ConsoleDatabase;
  fields: URLSearchParams;
  /** The token for the form, if it is shown again; see guard.ts. */
  formToken: string;
  rights: Rights;
}

/** The response to a form: a redirect with an outcome, or the form again, with an error if it has one. */
export type FormReply = { to: string; outcome?: Outcome } | { page: Page; outcome?: Outcome };
