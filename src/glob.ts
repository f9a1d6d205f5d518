/** "Globs": the patterns that keys must match. */
import { Automaton } from './glob/automaton.ts';
import { parseGlob } from './glob/parse.ts';

/** A compiled glob. */
export interface Glob {
  /** The literal start of the pattern, up to its first wildcard. S3 is asked for keys with this prefix. */
  readonly prefix: string;
  /** `/` if no match can be in a subfolder: S3 then leaves subfolders out of the listing. */
  readonly delimiter: '/' | undefined;
  /** Takes time linear in the key's length. */
  matches(key: string): boolean;
}

const WILDCARD = /[*?[{\\]/;

/**
 * Compiles a pattern: `*` and `?` stay within a folder, `**` crosses folders, `[a-z]` and `{a,b}` are choices,
 * and a backslash makes the next character literal. `data/` is the same as `data/*`.
 * @param pattern one that s3_connector_private.glob_fault has accepted
 */
export function compileGlob(pattern: string): Glob {
  const glob = pattern.endsWith('/') ? `${pattern}*` : pattern;
  const wildcardAt = glob.search(WILDCARD);
  const prefix = wildcardAt === -1 ? glob : glob.slice(0, wildcardAt);
  const folderHasWildcard = wildcardAt !== -1 && wildcardAt < glob.lastIndexOf('/');
  const walksFolders = folderHasWildcard || glob.includes('**');
  const automaton = new Automaton(parseGlob(glob));
  return {
    prefix,
    delimiter: walksFolders ? undefined : '/',
    // A key that ends in a slash is a folder's placeholder, not a file.
    matches: (key) => !key.endsWith('/') && automaton.matches(key),
  };
}
