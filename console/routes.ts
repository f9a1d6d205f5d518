/** The routes: which function serves each page and form. */
import { act } from './act.ts';
import type { FormReply, FormRequest } from './form.ts';
import { connectorPage } from './pages/connector.ts';
import { filePage } from './pages/file.ts';
import { overviewPage } from './pages/overview.ts';
import { workersPage } from './pages/workers.ts';
import type { Page, PageRequest } from './request.ts';
import { saveStep, showStepSql } from './setup/save.ts';
import { setupPage } from './setup/setup.ts';

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
