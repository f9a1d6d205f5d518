/** The error page. */
import pg from 'pg';
import { log } from '../../src/log.ts';
import { html } from '../html.ts';
import { type Page, RequestError } from '../request.ts';

/** Returns the page for an error: what went wrong, and what to do. */
export function errorPage(error: unknown): { status: number; page: Page } {
  const { status, title, message, hint } = describe(error);
  const body = html`<div class="card"><h1>${title}</h1><p class="trouble" role="alert">${message}</p>${hint && html`<p class="hint">${hint}</p>`}<p><a href="/">Back to the connectors</a></p></div>`;
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
    return {
      status: error.status,
      title: error.status === 404 ? 'Not found' : 'Request refused',
      message: error.message,
    };
  }
  if (error instanceof pg.DatabaseError) {
    const { message, code } = error;
    return {
      status: code === '42501' ? 403 : 500,
      title: 'PostgreSQL returned an error',
      message: `${message} (${code})`,
      hint: error.hint ?? HINTS[code ?? ''],
    };
  }
  if (isUnreachable(error)) {
    return {
      status: 503,
      title: 'The database cannot be reached',
      message: error instanceof Error ? error.message || error.name : String(error),
      hint: 'Check CONSOLE_DATABASE_URL or DATABASE_URL. The console reconnects with the next page.',
    };
  }
  log.error('page_failed', { message: error instanceof Error ? error.stack : String(error) });
  return { status: 500, title: 'Internal error', message: 'The log of the console has the details.' };
}

function isUnreachable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return (
    code === 'no_connection' ||
    /^E[A-Z]+$/.test(code ?? '') ||
    /^Connection terminated|^timeout/.test(message ?? '')
  );
}

const HINTS: Record<string, string> = {
  '42501':
    'Ask an administrator of the database to grant a role: s3_connector_reader to view, s3_connector_operator for actions, s3_connector_admin to configure.',
  '3F000': 'The schema s3_connector does not exist. Run: pg-s3-connector migrate',
  '42P01': 'The database is not migrated to this version. Run: pg-s3-connector migrate',
};
