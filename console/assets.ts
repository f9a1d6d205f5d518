/** The "assets": files that pages load, from the console and from npm packages that run in the browser. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { packageRoot } from '../src/paths.ts';

export interface Asset {
  type: string;
  content: Buffer;
  brotli: Buffer;
  gzip: Buffer;
  /** Changes with the content. */
  etag: string;
}

const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const OWN = join(packageRoot, 'console', 'assets');

const FILES = {
  'console.css': { type: CSS, path: join(OWN, 'console.css') },
  'setup.css': { type: CSS, path: join(OWN, 'setup.css') },
  'console.js': { type: SCRIPT, path: join(OWN, 'console.js') },
  'idiomorph.js': { type: SCRIPT, path: join(distOf('idiomorph'), 'idiomorph.esm.js') },
  'icon.svg': { type: 'image/svg+xml', path: join(OWN, 'icon.svg') },
};

export type AssetName = keyof typeof FILES;

/** Returns the directory of a package's main file, which is its dist/. */
function distOf(name: string): string {
  return dirname(fileURLToPath(import.meta.resolve(name)));
}

/** Each file is read once. */
let loaded: { version: string; assets: Map<string, Asset> } | undefined;

function load() {
  const assets = new Map(
    Object.entries(FILES).map(([name, { type, path }]): [string, Asset] => {
      const content = readFileSync(path);
      const etag = `"${hash(content)}"`;
      return [name, { type, content, brotli: brotliCompressSync(content), gzip: gzipSync(content), etag }];
    }),
  );
  // One version for all, because a script imports the others by relative addresses.
  const version = hash(Buffer.from([...assets.values()].map(({ etag }) => etag).join())).slice(0, 12);
  return { version, assets };
}

function hash(content: Buffer): string {
  return createHash('sha256').update(content).digest('base64url');
}

/** Returns the address of an asset. It changes with the assets, so that browsers may keep them for ever. */
export function assetAddress(name: AssetName): string {
  loaded ??= load();
  return `/assets/${loaded.version}/${name}`;
}

/**
 * Returns the asset at that path, or undefined. An open page may still ask for those of an earlier version: it gets the current
 * ones, which the browser must not keep under that address.
 */
export function findAsset(path: string): { asset: Asset; isCurrent: boolean } | undefined {
  const [, version, name] = /^\/assets\/([\w-]+)\/([^/]+)$/.exec(path) ?? [];
  loaded ??= load();
  const asset = loaded.assets.get(name ?? '');
  return asset && { asset, isCurrent: version === loaded.version };
}
