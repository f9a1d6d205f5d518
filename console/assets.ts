import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../src/paths.ts';

/** A file that pages load. */
export interface Asset {
  type: string;
  content: Buffer;
}

const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
// The package's main file lies in its folder dist/.
const CHARTS = dirname(createRequire(import.meta.url).resolve('uplot'));
const OWN = join(packageRoot, 'console', 'assets');

const FILES: Record<string, { type: string; path: string }> = {
  '/assets/console.css': { type: CSS, path: join(OWN, 'console.css') },
  '/assets/console.js': { type: SCRIPT, path: join(OWN, 'console.js') },
  '/assets/charts.js': { type: SCRIPT, path: join(OWN, 'charts.js') },
  '/assets/morph.js': { type: SCRIPT, path: join(OWN, 'morph.js') },
  '/assets/icon.svg': { type: 'image/svg+xml', path: join(OWN, 'icon.svg') },
  '/assets/uplot.css': { type: CSS, path: join(CHARTS, 'uPlot.min.css') },
  '/assets/uplot.js': { type: SCRIPT, path: join(CHARTS, 'uPlot.esm.js') },
};

const loaded = new Map<string, Asset>();

/** The file of that address, read once; undefined where there is none. */
export function findAsset(path: string): Asset | undefined {
  if (!Object.hasOwn(FILES, path)) return undefined;
  const file = FILES[path]!;
  let asset = loaded.get(path);
  if (!asset) {
    asset = { type: file.type, content: readFileSync(file.path) };
    loaded.set(path, asset);
  }
  return asset;
}
