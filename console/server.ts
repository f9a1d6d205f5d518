/** The console's HTTP server. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConnectorError, describeError } from '../src/errors.ts';
import { ownAddress, withParameter } from './address.ts';
import { findAsset } from './assets.ts';
import { encodedAsset, encodedPage } from './compress.ts';
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
import { DOWNLOADS, FORMS, PAGES } from './routes.ts';

/** A running console. */
export interface Console {
  /** The address for a browser. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the console. @throws ConnectorError `bad_setting` if other machines could use it without a token, or it cannot listen */
export async function startConsole(config: ConsoleConfig): Promise<Console> {
  requireTokenOrLoopback(config);
  const guard = await makeGuard(config.token);
  const server = createServer();
  await listen(server, config);
  const db = openConsoleDatabase(config.databaseUrl);
  const live = startLive(config.databaseUrl);
  const services: Services = { db, live, guard, outcomes: new Outcomes() };
  server.on('request', (request, response) => {
    answer(services, request, response).catch((error) => sendError(response, error));
  });
  return {
    url: address(server),
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all([live.close(), db.close()]);
    },
  };
}

async function listen(server: Server, { host, port }: ConsoleConfig): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const isTaken = (cause as { code?: string }).code === 'EADDRINUSE';
    const reason = isTaken ? 'another program listens there already' : describeError(cause);
    throw new ConnectorError('bad_setting', `the console cannot listen on ${host}, port ${port}: ${reason}`, {
      hint: 'Set CONSOLE_PORT to a free port (0: any free one), or open the console that runs there.',
      cause,
    });
  }
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
  const found = findAsset(url.pathname);
  if (found) return sendAsset(request, response, found);
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
  const download = DOWNLOADS[url.pathname];
  if (download)
    return sendDownload(response, url, download(pageRequest(services, url, '', await services.db.rights())));
  const page = PAGES[url.pathname];
  if (!page) throw new RequestError(404, `There is no page ${url.pathname}.`);
  const formToken = services.guard.formToken(request);
  const rights = await services.db.rights();
  const asked = pageRequest(services, url, formToken, rights);
  const [content, health] = await Promise.all([page(asked), services.db.health()]);
  const frame = { outcome: asked.outcome, rights, health };
  sendHtml(response, 200, layout(content, { ...frame, ...signOut(services, formToken) }));
}

/** Returns the token of the form to sign out, if people sign in at all. */
function signOut({ guard }: Services, formToken: string): { signOutToken?: string } {
  return guard.hasSignIn ? { signOutToken: formToken } : {};
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
  if (url.pathname === '/logout') {
    response.setHeader('set-cookie', services.guard.signOut(request));
    return redirect(response, '/');
  }
  const form = FORMS[url.pathname];
  if (!form) throw new RequestError(404, `There is no form ${url.pathname}.`);
  const formToken = services.guard.formToken(request);
  const rights = await services.db.rights();
  const reply = await form({ db: services.db, fields, formToken, rights });
  if ('page' in reply) {
    const frame = { outcome: reply.outcome, rights, health: await services.db.health() };
    return sendHtml(
      response,
      reply.outcome ? 422 : 200,
      layout(reply.page, { ...frame, ...signOut(services, formToken) }),
    );
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

/** Sends an asset, or that the browser has it already. */
function sendAsset(
  request: IncomingMessage,
  response: ServerResponse,
  { asset, isCurrent }: NonNullable<ReturnType<typeof findAsset>>,
): void {
  const { content, headers } = encodedAsset(asset, acceptedEncodings(request));
  const caching = {
    // no-cache: the browser keeps it, and asks each time whether it has changed.
    'cache-control': isCurrent ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag: asset.etag,
  };
  if (request.headers['if-none-match'] === asset.etag) {
    response.writeHead(304, { ...SECURITY_HEADERS, ...caching, vary: headers.vary });
    response.end();
  } else {
    send(response, 200, asset.type, content, { ...headers, ...caching });
  }
}

function acceptedEncodings(request: IncomingMessage): string {
  return String(request.headers['accept-encoding'] ?? '');
}

/** Sends parts as they are read. The status waits for the first, because it may be an error. */
async function sendDownload(response: ServerResponse, url: URL, parts: AsyncIterable<string>): Promise<void> {
  const rest = parts[Symbol.asyncIterator]();
  const first = await rest.next();
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="${url.pathname.slice(1)}"`,
    'cache-control': 'no-store',
  });
  response.write(first.value);
  await pipeline(Readable.from({ [Symbol.asyncIterator]: () => rest }), response);
}

function sendHtml(response: ServerResponse, status: number, page: Html): void {
  const { content, headers } = encodedPage(page.text, acceptedEncodings(response.req));
  send(response, status, 'text/html; charset=utf-8', content, { ...headers, 'cache-control': 'no-store' });
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
