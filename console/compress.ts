/** Chooses how an answer is compressed. */
import { gzipSync } from 'node:zlib';
import type { Asset } from './assets.ts';

export interface Encoded {
  content: Buffer | string;
  headers: Record<string, string>;
}

/** Returns the smallest form of an asset that the browser accepts. */
export function encodedAsset(asset: Asset, accepted: string): Encoded {
  for (const [name, content] of [
    ['br', asset.brotli],
    ['gzip', asset.gzip],
  ] as const) {
    if (accepts(accepted, name)) return { content, headers: headersOf(name) };
  }
  return { content: asset.content, headers: headersOf() };
}

/** Returns a page, compressed if the browser accepts that. Its secrets differ in each answer; see guard.ts. */
export function encodedPage(text: string, accepted: string): Encoded {
  if (!accepts(accepted, 'gzip')) return { content: text, headers: headersOf() };
  return { content: gzipSync(text), headers: headersOf('gzip') };
}

function accepts(accepted: string, name: string): boolean {
  return accepted
    .split(',')
    .some((one) => new RegExp(`^\\s*${name}\\s*(;(?!\\s*q=0(\\.0*)?\\s*$)|$)`).test(one));
}

function headersOf(encoding?: string): Record<string, string> {
  return { vary: 'accept-encoding', ...(encoding && { 'content-encoding': encoding }) };
}
