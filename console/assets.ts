/** The files that pages load: our own, and those of the packages that the browser uses. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/paths.ts';

/** A file that pages load. */
export interface Asset {
  type: string;
  content: Buffer;
}

const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const OWN = join(packageRoot, 'console', 'assets');

const FILES: Record<string, { type: string; path: string }> = {
  '/assets/console.css': { type: CSS, path: join(OWN, 'console.css') },
  '/assets/console.js': { type: SCRIPT, path: join(OWN, 'console.js') },
  '/assets/charts.js': { type: SCRIPT, path: join(OWN, 'charts.js') },
  '/assets/idiomorph.js': { type: SCRIPT, path: join(distOf('idiomorph'), 'idiomorph.esm.js') },
  '/assets/icon.svg': { type: 'image/svg+xml', path: join(OWN, 'icon.svg') },
  '/assets/uplot.css': { type: CSS, path: join(distOf('uplot'), 'uPlot.min.css') },
  '/assets/uplot.js': { type: SCRIPT, path: join(distOf('uplot'), 'uPlot.esm.js') },
};

/** The folder of a package's main file, which is its dist/. */
function distOf(name: string): string {
  return dirname(fileURLToPath(import.meta.resolve(name)));
}

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
