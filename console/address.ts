const BASE = 'http://console';

/** An address of this console's, whatever a form says. */
export function ownAddress(address: string | null | undefined): string {
  if (!address?.startsWith('/') || !URL.canParse(address, BASE)) return '/';
  const { origin, pathname, search } = new URL(address, BASE);
  // Such as //elsewhere, /\elsewhere or /..//elsewhere, which a browser would take for another site.
  return origin === BASE && !pathname.startsWith('//') ? pathname + search : '/';
}

/** The same address with one parameter set. */
export function withParameter(address: string, name: string, value: string): string {
  const url = new URL(address, BASE);
  url.searchParams.set(name, value);
  return url.pathname + url.search;
}
