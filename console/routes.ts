import { act } from './act.ts';
import type { ConsoleDatabase, Outcome } from './database.ts';
import { connectorPage } from './pages/connector.ts';
import { filePage } from './pages/file.ts';
import { overviewPage } from './pages/overview.ts';
import { workersPage } from './pages/workers.ts';
import type { Page, PageRequest } from './request.ts';
import { saveStep, showStepSql } from './setup/save.ts';
import { setupPage } from './setup/setup.ts';

/** What a form was sent with. */
export interface FormRequest {
  db: ConsoleDatabase;
  fields: URLSearchParams;
  /** Stands in the form again, where it is shown again. */
  formToken: string;
}

/** Where a form leads to, with what became of it; or a page, where the form must be mended; or a text. */
export type FormReply =
  | { to: string; outcome?: Outcome }
  | { page: Page; outcome: Outcome }
  | { text: string };

/** Pages by their path. */
export const PAGES: Record<string, (request: PageRequest) => Promise<Page>> = {
  '/': overviewPage,
  '/connector': connectorPage,
  '/file': filePage,
  '/workers': workersPage,
  '/setup': setupPage,
};

/** What each form's path does. */
export const FORMS: Record<string, (request: FormRequest) => Promise<FormReply>> = {
  '/act': act,
  '/setup': saveStep,
  '/setup/sql': showStepSql,
};
