/** The routes: which function serves each page and form. */
import { act } from './act.ts';
import type { ConsoleDatabase, Outcome } from './database.ts';
import { connectorPage } from './pages/connector.ts';
import { filePage } from './pages/file.ts';
import { overviewPage } from './pages/overview.ts';
import { workersPage } from './pages/workers.ts';
import type { Page, PageRequest } from './request.ts';
import { saveStep, showStepSql } from './setup/save.ts';
import { setupPage } from './setup/setup.ts';

export interface FormRequest {
  db: ConsoleDatabase;
  fields: URLSearchParams;
  /** The token for the form, if it is shown again; see guard.ts. */
  formToken: string;
}

/** The response to a form: a redirect with an outcome, the form again with an error, or a text. */
export type FormReply =
  | { to: string; outcome?: Outcome }
  | { page: Page; outcome: Outcome }
  | { text: string };

/** Pages by path. */
export const PAGES: Record<string, (request: PageRequest) => Promise<Page>> = {
  '/': overviewPage,
  '/connector': connectorPage,
  '/file': filePage,
  '/workers': workersPage,
  '/setup': setupPage,
};

/** Forms by path. */
export const FORMS: Record<string, (request: FormRequest) => Promise<FormReply>> = {
  '/act': act,
  '/setup': saveStep,
  '/setup/sql': showStepSql,
};
