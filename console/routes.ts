/** The routes: which function serves each page and form. */
import { act } from './act.ts';
import type { FormReply, FormRequest } from './form.ts';
import { codePage } from './pages/code.ts';
import { confirmPage } from './pages/confirm.ts';
import { connectorPage } from './pages/connector.ts';
import { filePage } from './pages/file.ts';
import { overviewPage } from './pages/overview.ts';
import { rejectedCsv, rejectedPage } from './pages/rejected.ts';
import { repair, repairPage } from './pages/repair.ts';
import { workersPage } from './pages/workers.ts';
import type { Page, PageRequest } from './request.ts';
import { saveStep } from './setup/save.ts';
import { setupPage } from './setup/setup.ts';

/** Pages by path. */
export const PAGES: Record<string, (request: PageRequest) => Promise<Page>> = {
  '/': overviewPage,
  '/connector': connectorPage,
  '/file': filePage,
  '/confirm': confirmPage,
  '/repair': repairPage,
  '/rejected': rejectedPage,
  '/code': codePage,
  '/workers': workersPage,
  '/setup': setupPage,
};

/** Files to download, by path. */
export const DOWNLOADS: Record<string, (request: PageRequest) => AsyncIterable<string>> = {
  '/rejected.csv': rejectedCsv,
};

/** Forms by path. */
export const FORMS: Record<string, (request: FormRequest) => Promise<FormReply>> = {
  '/act': act,
  '/repair': repair,
  '/setup': saveStep,
};
