import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ownAddress, withParameter } from './address.ts';
import { findAsset } from './assets.ts';
import { type ConsoleConfig, refuseOpenDoor } from './config.ts';
import { openConsoleDatabase } from './database.ts';
import { type Guard, makeGuard, SECURITY_HEADERS } from './guard.ts';
import type { Html } from './html.ts';
import { type Live, startLive } from './live.ts';
import { Outcomes } from './outcomes.ts';
import { errorPage } from './pages/error.ts';
import { layout } from './pages/layout.ts';
import { loginPage } from './pages/login.ts';
import { type PageRequest, RequestError, readForm } from './request.ts';
import { FORMS, PAGES } from './routes.ts';

/** A console that serves its pages. */
export interface Console {
  /** Where to point a browser. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the console. @throws ConnectorError `bad_setting` where others could get in without a token */
export async function startConsole(config: ConsoleConfig): Promise<Console> {
  refuseOpenDoor(config);
  const db = openConsoleDatabase(config.databaseUrl);
  const live = startLive(config.databaseUrl);
  const desk: Desk = { db, live, guard: makeGuard(config.token), outcomes: new Outcomes() };
  const server = createServer((request, response) => {
    answer(desk, request, response).catch((error) => sendError(response, error));
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

interface Desk {
  db: PageRequest['db'];
  live: Live;
  guard: Guard;
  outcomes: Outcomes;
}

async function answer(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!URL.canParse(request.url ?? '', 'http://console')) throw new RequestError(400, 'That is no address.');
  const url = new URL(request.url!, 'http://console');
  const refusal = desk.guard.refuses(request);
  if (refusal) throw new RequestError(421, refusal);
  if (request.method === 'POST') return answerForm(desk, request, response, url);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new RequestError(405, 'Expected GET or POST.');
  const asset = findAsset(url.pathname);
  if (asset) return send(response, 200, asset.type, asset.content, { 'cache-control': 'no-cache' });
  if (!desk.guard.isLoggedIn(request)) {
    if (url.pathname === '/events') throw new RequestError(401, 'Log in first.');
    return sendHtml(response, 401, loginPage(desk.guard.formToken, url.pathname + url.search));
  }
  if (url.pathname === '/events') return follow(desk, response, url);
  await answerPage(desk, response, url);
}

async function answerPage(desk: Desk, response: ServerResponse, url: URL): Promise<void> {
  const page = PAGES[url.pathname];
  if (!page) throw new RequestError(404, `There is no page ${url.pathname}.`);
  const request = pageRequest(desk, url);
  const [content, role] = await Promise.all([page(request), desk.db.role()]);
  sendHtml(response, 200, layout(content, { outcome: request.outcome, role }));
}

function pageRequest(desk: Desk, url: URL): PageRequest {
  const here = new URLSearchParams(url.search);
  here.delete('outcome');
  return {
    db: desk.db,
    parameter: (name) => url.searchParams.get(name) || undefined,
    here: here.size > 0 ? `${url.pathname}?${here}` : url.pathname,
    formToken: desk.guard.formToken,
    outcome: desk.outcomes.find(url.searchParams.get('outcome') ?? undefined),
  };
}

async function answerForm(
  desk: Desk,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const fields = await readForm(request);
  if (!desk.guard.isOurForm(request, fields.get('token') ?? undefined)) {
    throw new RequestError(
      403,
      'This form does not come from a page of this console as it runs now. Load the page again, and send the form once more.',
    );
  }
  if (url.pathname === '/login') return logIn(desk, request, response, fields);
  if (!desk.guard.isLoggedIn(request)) throw new RequestError(401, 'Log in first.');
  const form = FORMS[url.pathname];
  if (!form) throw new RequestError(404, `There is no form ${url.pathname}.`);
  const reply = await form({ db: desk.db, fields, formToken: desk.guard.formToken });
  if ('text' in reply) return send(response, 200, 'text/plain; charset=utf-8', reply.text);
  if ('page' in reply) {
    const surroundings = { outcome: reply.outcome, role: await desk.db.role() };
    return sendHtml(response, 422, layout(reply.page, surroundings));
  }
  redirect(
    response,
    reply.outcome ? withParameter(reply.to, 'outcome', desk.outcomes.keep(reply.outcome)) : reply.to,
  );
}

async function logIn(
  { guard }: Desk,
  request: IncomingMessage,
  response: ServerResponse,
  fields: URLSearchParams,
): Promise<void> {
  const back = ownAddress(fields.get('back'));
  const cookie = guard.logIn(fields.get('secret') ?? '', request);
  if (!cookie) return sendHtml(response, 401, loginPage(guard.formToken, back, 'That is not the token.'));
  response.setHeader('set-cookie', cookie);
  redirect(response, back);
}

function follow({ live }: Desk, response: ServerResponse, url: URL): void {
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // Proxies that gather answers would hold the events back.
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
