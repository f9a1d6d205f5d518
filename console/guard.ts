/** The "guard" decides which requests the console accepts: host name, sign-in, and origin of forms. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { isLoopback } from './config.ts';

export interface Guard {
  /** A secret in every form. A page of another origin cannot know it. */
  readonly formToken: string;
  /** Returns why a request is refused before anything else, or undefined. */
  refusalReason(request: IncomingMessage): string | undefined;
  /** Returns whether the request is signed in. Without a token, every request is. */
  isSignedIn(request: IncomingMessage): boolean;
  /** Returns the session cookie, or undefined if the token is wrong. */
  signIn(token: string, request: IncomingMessage): string | undefined;
  /** Returns whether a POST comes from a form of this console. */
  isOwnForm(request: IncomingMessage, formToken: string | undefined): boolean;
}

const COOKIE = 's3_connector_console';
const SESSION_SECONDS = 12 * 3600;

/** For every response: no inline scripts or styles, nothing from other origins, no frames. */
export const SECURITY_HEADERS: OutgoingHttpHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  // Not no-referrer: browsers would then send "Origin: null" with forms.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** With a token, people must sign in. Without one, only requests to host names of this machine are accepted. */
export function makeGuard(token: string | undefined): Guard {
  // Derived from the token, so that forms and cookies stay valid after a restart and in other consoles.
  const secret = token === undefined ? randomBytes(32) : hash(token);
  const formToken = sign(secret, 'form');

  return {
    formToken,
    refusalReason(request) {
      // Against DNS rebinding: a foreign name that resolves to 127.0.0.1 would make a foreign page same-origin. With a
      // token this check is not needed, because that page has no cookie.
      if (token === undefined && !isLoopback(hostName(request.headers.host ?? ''))) {
        return 'Without CONSOLE_TOKEN the console accepts only names of this machine, such as localhost.';
      }
      return undefined;
    },
    isSignedIn(request) {
      if (token === undefined) return true;
      const [until, signature] = (readCookie(request) ?? '').split('.');
      return (
        Number(until) > Date.now() / 1000 && equal(signature ?? '', sign(secret, `session ${until}`)) === true
      );
    },
    signIn(given, request) {
      if (token === undefined || !equal(given, token)) return undefined;
      const until = Math.floor(Date.now() / 1000) + SESSION_SECONDS;
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
      return `${COOKIE}=${until}.${sign(secret, `session ${until}`)}; Path=/; Max-Age=${SESSION_SECONDS}; HttpOnly; SameSite=Strict${secure}`;
    },
    isOwnForm(request, given) {
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

/** Compares in constant time. */
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
