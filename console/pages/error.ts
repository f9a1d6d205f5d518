import pg from 'pg';
import { log } from '../../src/log.ts';
import { html } from '../html.ts';
import { type Page, RequestError } from '../request.ts';

/** An error as a page: what went wrong, and what to do. */
export function errorPage(error: unknown): { status: number; page: Page } {
  const { status, title, message, hint } = describe(error);
  const body = html`<div class="card"><h1>${title}</h1><p class="trouble" role="alert">${message}</p>${hint && html`<p class="hint">${hint}</p>`}<p><a href="/">To the connectors</a></p></div>`;
  return { status, page: { title, live: false, body } };
}

interface Description {
  status: number;
  title: string;
  message: string;
  hint?: string | undefined;
}

function describe(error: unknown): Description {
  if (error instanceof RequestError) {
    return { status: error.status, title: 'Not possible', message: error.message };
  }
  if (error instanceof pg.DatabaseError) {
    const { message, code } = error;
    return {
      status: code === '42501' ? 403 : 500,
      title: 'PostgreSQL says no',
      message: `${message} (${code})`,
      hint: error.hint ?? HINTS[code ?? ''],
    };
  }
  if (isUnreachable(error)) {
    return {
      status: 503,
      title: 'The database cannot be reached',
      message: error instanceof Error ? error.message || error.name : String(error),
      hint: 'The console tries again with the next page. See CONSOLE_DATABASE_URL or DATABASE_URL.',
    };
  }
  log.error('page_failed', { message: error instanceof Error ? error.stack : String(error) });
  return { status: 500, title: 'This is a mistake of ours', message: 'The log of the console says more.' };
}

function isUnreachable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return /^E[A-Z]+$/.test(code ?? '') || /^Connection terminated|^timeout/.test(message ?? '');
}

const HINTS: Record<string, string> = {
  '42501':
    'To look: a role needs grant s3_connector_reader; to steer, s3_connector_operator; to configure, s3_connector_admin.',
  '3F000': 'The database has no connector yet: pg-s3-connector migrate.',
  '42P01': 'The database is not migrated to this version: pg-s3-connector migrate.',
};
