/** The console's HTTP server. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ownAddress, withParameter } from './address.ts';
import { findAsset } from './assets.ts';
import { type ConsoleConfig, requireTokenOrLoopback } from './config.ts';
import { openConsoleDatabase } from './database.ts';
import { type Guard, makeGuard, SECURITY_HEADERS } from './guard.ts';
import type { Html } from './html.ts';
import { type Live, startLive } from './live.ts';
import { Outcomes } from './outcomes.ts';
import { errorPage } from './pages/error.ts';
import { layout } from './pages/layout.ts';
import { signInPage } from './pages/sign_in.ts';
import { type PageRequest, RequestError, readForm } from './request.ts';
import type { Rights } from './rights.ts';
import { FORMS, PAGES } from './routes.ts';

/** A running console. */
export interface Console {
  /** The address for a browser. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the console. @throws ConnectorError `bad_setting` if other machines could use it without a token */
export async function startConsole(config: ConsoleConfig): Promise<Console> {
  requireTokenOrLoopback(config);
  const guard = await makeGuard(config.token);
  const db = openConsoleDatabase(config.databaseUrl);
  const live = startLive(config.databaseUrl);
  const services: Services = { db, live, guard, outcomes: new Outcomes() };
  const server = createServer((request, response) => {
    answer(services, request, response).catch((error) => sendError(response, error));
  });
  server.listen(config.port, config.host);
  await once(server, 'listening');
  return {
    url: address(server),
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all([live.close(), db.close()]);
    },
  };
}

interface Services {
  db: PageRequest['db'];
  live: Live;
  guard: Guard;
  outcomes: Outcomes;
}

async function answer(services: Services, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!URL.canParse(request.url ?? '', 'http://console'))
    throw new RequestError(400, 'The address is invalid.');
  const url = new URL(request.url!, 'http://console');
  const refusal = services.guard.refusalReason(request);
  if (refusal) throw new RequestError(421, refusal);
  if (request.method === 'POST') return answerForm(services, request, response, url);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new RequestError(405, 'Expected GET or POST.');
  const asset = findAsset(url.pathname);
  if (asset) return send(response, 200, asset.type, asset.content, { 'cache-control': 'no-cache' });
  if (!services.guard.isSignedIn(request)) {
    if (url.pathname === '/events') throw new RequestError(401, 'Sign in first.');
    const formToken = services.guard.formToken(request);
    return sendHtml(response, 401, signInPage(formToken, url.pathname + url.search));
  }
  if (url.pathname === '/events') return follow(services, response, url);
  await answerPage(services, request, response, url);
}

async function answerPage(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const page = PAGES[url.pathname];
  if (!page) throw new RequestError(404, `There is no page ${url.pathname}.`);
  const rights = await services.db.rights();
  const asked = pageRequest(services, url, services.guard.formToken(request), rights);
  sendHtml(response, 200, layout(await page(asked), { outcome: asked.outcome, rights }));
}

function pageRequest(services: Services, url: URL, formToken: string, rights: Rights): PageRequest {
  const here = new URLSearchParams(url.search);
  here.delete('outcome');
  return {
    db: services.db,
    parameter: (name) => url.searchParams.get(name) || undefined,
    here: here.size > 0 ? `${url.pathname}?${here}` : url.pathname,
    formToken,
    rights,
    outcome: services.outcomes.find(url.searchParams.get('outcome') ?? undefined),
  };
}

async function answerForm(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const fields = await readForm(request);
  if (!services.guard.isOwnForm(request, fields.get('token') ?? undefined)) {
    throw new RequestError(
      403,
      'The form is not from a page of this console. Reload the page, and submit the form again.',
    );
  }
  if (url.pathname === '/login') return signIn(services, request, response, fields);
  if (!services.guard.isSignedIn(request)) throw new RequestError(401, 'Sign in first.');
  const form = FORMS[url.pathname];
  if (!form) throw new RequestError(404, `There is no form ${url.pathname}.`);
  const rights = await services.db.rights();
  const reply = await form({ db: services.db, fields, formToken: services.guard.formToken(request), rights });
  if ('text' in reply) return send(response, 200, 'text/plain; charset=utf-8', reply.text);
  if ('page' in reply) {
    return sendHtml(response, 422, layout(reply.page, { outcome: reply.outcome, rights }));
  }
  redirect(
    response,
    reply.outcome ? withParameter(reply.to, 'outcome', services.outcomes.keep(reply.outcome)) : reply.to,
  );
}

const MISTAKES = {
  wrong: { status: 401, mistake: 'The token is wrong.' },
  busy: {
    status: 429,
    mistake: 'The token was not checked, because other tries are waiting. Try again in a few seconds.',
  },
};

async function signIn(
  { guard }: Services,
  request: IncomingMessage,
  response: ServerResponse,
  fields: URLSearchParams,
): Promise<void> {
  const back = ownAddress(fields.get('back'));
  const result = await guard.signIn(fields.get('secret') ?? '', request);
  if (result === 'wrong' || result === 'busy') {
    const { status, mistake } = MISTAKES[result];
    return sendHtml(response, status, signInPage(guard.formToken(request), back, mistake));
  }
  response.setHeader('set-cookie', result.cookie);
  redirect(response, back);
}

function follow({ live }: Services, response: ServerResponse, url: URL): void {
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // Proxies must not buffer the events.
    'x-accel-buffering': 'no',
  });
  live.follow(response, url.searchParams.get('connector') || undefined);
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, page } = errorPage(error);
  sendHtml(response, status, layout(page, {}));
}

function sendHtml(response: ServerResponse, status: number, page: Html): void {
  send(response, status, 'text/html; charset=utf-8', page.text, { 'cache-control': 'no-store' });
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  content: string | Buffer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...SECURITY_HEADERS, ...headers, 'content-type': type });
  response.end(response.req.method === 'HEAD' ? undefined : content);
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(303, { ...SECURITY_HEADERS, location: to });
  response.end();
}

function address(server: Server): string {
  const { address: host, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`;
}
