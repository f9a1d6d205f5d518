/** The "assets": files that pages load, from the console and from npm packages that run in the browser. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packageRoot } from '../src/paths.ts';

export interface Asset {
  type: string;
  content: Buffer;
  gzipped: Buffer;
  /** Changes with the content. */
  etag: string;
}

const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const OWN = join(packageRoot, 'console', 'assets');

const FILES: Record<string, { type: string; path: string }> = {
  '/assets/console.css': { type: CSS, path: join(OWN, 'console.css') },
  '/assets/setup.css': { type: CSS, path: join(OWN, 'setup.css') },
  '/assets/console.js': { type: SCRIPT, path: join(OWN, 'console.js') },
  '/assets/charts.js': { type: SCRIPT, path: join(OWN, 'charts.js') },
  '/assets/idiomorph.js': { type: SCRIPT, path: join(distOf('idiomorph'), 'idiomorph.esm.js') },
  '/assets/icon.svg': { type: 'image/svg+xml', path: join(OWN, 'icon.svg') },
  '/assets/uplot.css': { type: CSS, path: join(distOf('uplot'), 'uPlot.min.css') },
  '/assets/uplot.js': { type: SCRIPT, path: join(distOf('uplot'), 'uPlot.esm.js') },
};

/** Returns the directory of a package's main file, which is its dist/. */
function distOf(name: string): string {
  return dirname(fileURLToPath(import.meta.resolve(name)));
}

const loaded = new Map<string, Asset>();

/** Returns the asset at that path, or undefined. Each file is read once. */
export function findAsset(path: string): Asset | undefined {
  if (!Object.hasOwn(FILES, path)) return undefined;
  const file = FILES[path]!;
  let asset = loaded.get(path);
  if (!asset) {
    const content = readFileSync(file.path);
    const etag = `"${createHash('sha256').update(content).digest('base64url')}"`;
    asset = { type: file.type, content, gzipped: gzipSync(content), etag };
    loaded.set(path, asset);
  }
  return asset;
}
