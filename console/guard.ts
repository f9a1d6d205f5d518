/** The "guard" decides which requests the console accepts: host name, sign-in, and origin of forms. */
import {
  createHash,
  createHmac,
  randomBytes,
  type ScryptOptions,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { log } from '../src/log.ts';
import { isLoopback } from './config.ts';
import { SESSION_SECONDS, Sessions } from './sessions.ts';
import { Tries } from './tries.ts';

export interface Guard {
  /** Returns why a request is refused before anything else, or undefined. */
  refusalReason(request: IncomingMessage): string | undefined;
  /** Returns whether the request is signed in. Without a token, every request is. */
  isSignedIn(request: IncomingMessage): boolean;
  /**
   * Returns the secret for every form that answers the request. A page of another origin cannot know it. It looks different
   * each time, so that the size of compressed pages says nothing about it.
   */
  formToken(request: IncomingMessage): string;
  /** Returns the session cookie, or why there is none: the token is wrong, or too many people are trying. */
  signIn(token: string, request: IncomingMessage): Promise<{ cookie: string } | 'wrong' | 'busy'>;
  /** Whether people sign in: there is a token. */
  readonly hasSignIn: boolean;
  /** Ends the session of the request, and returns the cookie that removes its own. */
  signOut(request: IncomingMessage): string;
  /** Returns whether a POST comes from a form of this console. */
  isOwnForm(request: IncomingMessage, formToken: string | undefined): boolean;
}

const COOKIE = 's3_connector_console';
/** 32 MiB and about a tenth of a second for each try. `maxmem` must be a little larger than what it needs. */
const SCRYPT: ScryptOptions = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };

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
export async function makeGuard(token: string | undefined): Promise<Guard> {
  const sessions = new Sessions();
  const tries = new Tries(await makeCheck(token));
  // Not derived from the token: the sign-in page has a form, and would let everyone who sees it guess the token offline.
  const secret = randomBytes(32);
  const isSignedIn = (request: IncomingMessage) => token === undefined || sessions.has(readCookie(request));
  const formSecret = (request: IncomingMessage) =>
    sign(secret, token !== undefined && isSignedIn(request) ? readCookie(request) : '');

  return {
    formToken: (request) => mask(formSecret(request)),
    isSignedIn,
    refusalReason(request) {
      // Against DNS rebinding: a foreign name that resolves to 127.0.0.1 would make a foreign page same-origin. With a
      // token this check is not needed, because that page has no cookie.
      if (token === undefined && !isLoopback(hostName(request.headers.host ?? ''))) {
        return 'Without CONSOLE_TOKEN the console accepts only names of this machine, such as localhost.';
      }
      return undefined;
    },
    async signIn(given, request) {
      const address = request.socket.remoteAddress ?? '';
      const result = await tries.try(given, address);
      if (result === 'wrong') log.warn('sign-in failed', { address, wrong_tries: tries.wrong });
      if (result !== 'right') return result;
      log.info('signed in', { address });
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
      return {
        cookie: `${COOKIE}=${sessions.open()}; Path=/; Max-Age=${SESSION_SECONDS}; HttpOnly; SameSite=Strict${secure}`,
      };
    },
    hasSignIn: token !== undefined,
    signOut(request) {
      sessions.end(readCookie(request));
      return `${COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict`;
    },
    isOwnForm(request, given) {
      const { origin, host } = request.headers;
      const site = request.headers['sec-fetch-site'];
      if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) return false;
      if (site !== undefined && site !== 'same-origin') return false;
      return given !== undefined && equal(unmask(given), formSecret(request));
    },
  };
}

/** Returns the check of a token. Its key is derived slowly, so that neither a try nor a copy of memory is a cheap guess. */
async function makeCheck(token: string | undefined): Promise<(given: string) => Promise<boolean>> {
  if (token === undefined) return async () => false;
  const salt = randomBytes(16);
  const key = await derive(token, salt);
  return async (given) => timingSafeEqual(await derive(given, salt), key);
}

function derive(token: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(token, salt, 32, SCRYPT, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

function sign(secret: Buffer, what: string): string {
  return createHmac('sha256', secret).update(what).digest('base64url');
}

/** Returns a random mask, and the secret under it. */
function mask(text: string): string {
  const plain = Buffer.from(text, 'base64url');
  const random = randomBytes(plain.length);
  return Buffer.concat([random, exclusiveOr(random, plain)]).toString('base64url');
}

function unmask(text: string): string {
  const masked = Buffer.from(text, 'base64url');
  const half = masked.length / 2;
  return exclusiveOr(masked.subarray(0, half), masked.subarray(half)).toString('base64url');
}

function exclusiveOr(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!));
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

function readCookie(request: IncomingMessage): string {
  const cookies = (request.headers.cookie ?? '').split(/;\s*/);
  return cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? '';
}
