import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { isLoopback } from './config.ts';

/** Who may come in, and which requests are meant. */
export interface Guard {
  /** Stands in every form, which a page of another origin cannot know. */
  readonly formToken: string;
  /** Why a request is not answered at all; undefined: it is. */
  refuses(request: IncomingMessage): string | undefined;
  /** Whether whoever asks has shown the token, where there is one. */
  isLoggedIn(request: IncomingMessage): boolean;
  /** The cookie for who knows the token; undefined: it is the wrong one. */
  logIn(token: string, request: IncomingMessage): string | undefined;
  /** Whether a POST comes from a form of ours. */
  isOurForm(request: IncomingMessage, formToken: string | undefined): boolean;
}

const COOKIE = 's3_connector_console';
const SESSION_SECONDS = 12 * 3600;

/** For every answer: nothing inline, nothing from elsewhere, in nobody's frame. */
export const SECURITY_HEADERS: OutgoingHttpHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  // Not no-referrer: with it browsers send "Origin: null" with forms.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** With a token, people log in with it; without one, only names of this machine are answered. */
export function makeGuard(token: string | undefined): Guard {
  // From the token, so that several consoles, and one that was started anew, know each other's forms and cookies.
  const secret = token === undefined ? randomBytes(32) : hash(token);
  const formToken = sign(secret, 'form');

  return {
    formToken,
    refuses(request) {
      // A name of somebody's that resolves to 127.0.0.1 (DNS rebinding) would make their page one of this origin. With a
      // token it has no cookie.
      if (token === undefined && !isLoopback(hostName(request.headers.host ?? ''))) {
        return 'The console answers to names of this machine only, such as localhost; with CONSOLE_TOKEN to any.';
      }
      return undefined;
    },
    isLoggedIn(request) {
      if (token === undefined) return true;
      const [until, signature] = (readCookie(request) ?? '').split('.');
      return (
        Number(until) > Date.now() / 1000 && equal(signature ?? '', sign(secret, `session ${until}`)) === true
      );
    },
    logIn(given, request) {
      if (token === undefined || !equal(given, token)) return undefined;
      const until = Math.floor(Date.now() / 1000) + SESSION_SECONDS;
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
      return `${COOKIE}=${until}.${sign(secret, `session ${until}`)}; Path=/; Max-Age=${SESSION_SECONDS}; HttpOnly; SameSite=Strict${secure}`;
    },
    isOurForm(request, given) {
      const { origin, host } = request.headers;
      const site = request.headers['sec-fetch-site'];
      if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) return false;
      if (site !== undefined && site !== 'same-origin') return false;
      return given !== undefined && equal(given, formToken);
    },
  };
}

function sign(secret: Buffer, what: string): string {
  return createHmac('sha256', secret).update(what).digest('base64url');
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** In a time that says nothing about either. */
function equal(a: string, b: string): boolean {
  return timingSafeEqual(hash(a), hash(b));
}

function hostName(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d+$/, '').toLowerCase();
}

function readCookie(request: IncomingMessage): string | undefined {
  const cookies = (request.headers.cookie ?? '').split(/;\s*/);
  return cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}
