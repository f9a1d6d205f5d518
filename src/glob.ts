import picomatch from 'picomatch';

/** A glob over keys, made ready for listing. */
export interface Glob {
  /** The longest literal start of the pattern: what S3 is asked for. */
  readonly prefix: string;
  /** `/` where no match can lie in a subfolder, so that S3 leaves those out of the listing. */
  readonly delimiter: '/' | undefined;
  matches(key: string): boolean;
}

const WILDCARD = /[*?[{\\]/;
/** In picomatch's expressions: that no folder be named . or .., which a wildcard never matches in a file system. Keys may be. */
const NO_DOT_FOLDERS = /\(\?!(?:\(\?:\^\|\\\/\))?\\\.\{1,2\}\(\?:\\\/\|\$\)\)/g;

/**
 * Compiles a pattern: `*` and `?` stay within a folder, `**` crosses folders, `[a-z]` and `{a,b}` are choices,
 * a backslash takes the next character as it is. `data/` is the same as `data/*`.
 */
export function compileGlob(pattern: string): Glob {
  const glob = pattern.endsWith('/') ? `${pattern}*` : pattern;
  const wildcardAt = glob.search(WILDCARD);
  const prefix = wildcardAt === -1 ? glob : glob.slice(0, wildcardAt);
  const folderHasWildcard = wildcardAt !== -1 && wildcardAt < glob.lastIndexOf('/');
  const walksFolders = folderHasWildcard || glob.includes('**');
  const expression = toExpression(glob);
  return {
    prefix,
    delimiter: walksFolders ? undefined : '/',
    // A key that ends in a slash is a folder's placeholder, not a file.
    matches: (key) => !key.endsWith('/') && expression.test(key),
  };
}

function toExpression(glob: string): RegExp {
  // picomatch reads more than our globs have: groups, negation, extglobs, quotes. Outside [...] these characters
  // are themselves, as in a key. [!a] it takes for a choice of ! and a.
  const plain = glob.replace(/\\.|\[[^\]]*\]|[()|!+@$^#."]/gs, (part) => {
    if (part.length === 1) return `\\${part}`;
    return part.startsWith('[!') ? `[^${part.slice(2)}` : part;
  });
  const expression = picomatch.makeRe(plain, {
    dot: true,
    noextglob: true,
    nonegate: true,
    strictSlashes: true,
    flags: 's',
    // Throw where an expression does not compile, rather than match nothing.
    debug: true,
  }) as RegExp;
  return new RegExp(expression.source.replaceAll(NO_DOT_FOLDERS, ''), expression.flags);
}
