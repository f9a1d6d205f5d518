/** Addresses of the console, as forms carry them. */
const BASE = 'http://console';

/** Returns the address if it is one of this console, else `/`. It prevents redirects to other sites. */
export function ownAddress(address: string | null | undefined): string {
  if (!address?.startsWith('/') || !URL.canParse(address, BASE)) return '/';
  const { origin, pathname, search } = new URL(address, BASE);
  // Browsers read //elsewhere, /\elsewhere and /..//elsewhere as other sites.
  return origin === BASE && !pathname.startsWith('//') ? pathname + search : '/';
}

/** Returns the address with one parameter set. */
export function withParameter(address: string, name: string, value: string): string {
  const url = new URL(address, BASE);
  url.searchParams.set(name, value);
  return url.pathname + url.search;
}
