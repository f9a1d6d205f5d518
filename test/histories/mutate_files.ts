/** Preloaded by the worker of a mutant: changes files of the worker as they are loaded. HISTORIES_CHANGES has the changes. */
import { registerHooks } from 'node:module';
import { type Change, replaceOnce } from './mutants.ts';

const root = new URL('../../', import.meta.url).href;
const changes: Change[] = JSON.parse(process.env.HISTORIES_CHANGES ?? '[]');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const own = changes.filter(({ where }) => url === root + where);
    if (own.length === 0) return loaded;
    return { ...loaded, source: own.reduce(replaceOnce, String(loaded.source)) };
  },
});
