/**
 * Decides which keys a connector takes: those that match its pattern and are neither "hidden" nor excluded. A key is hidden if
 * one of its parts between slashes begins with `_` or `.`: Spark, Hive and Arrow leave such keys out too, because unfinished
 * files and logs have them. sql/1_checks/key_rules.sql decides the same for SQL; test/keys/matcher.test.ts compares the two.
 */
import { compileGlob, type Glob } from './glob.ts';

/** The columns of a connector that decide which keys it takes. */
export interface KeyRules {
  pattern: string;
  exclude: string[] | null;
  include_hidden: boolean;
}

/** `unmatched`: the pattern does not match. `hidden` and `excluded` keys match it, and are left out. */
export type Verdict = 'taken' | 'unmatched' | 'hidden' | 'excluded';

export interface Matcher extends Glob {
  judge(key: string): Verdict;
}

/** Compiles a connector's rules. Its prefix and delimiter are the pattern's; it matches the keys that the connector takes. */
export function compileMatcher({ pattern, exclude, include_hidden }: KeyRules): Matcher {
  const { prefix, delimiter, matches } = compileGlob(pattern);
  const excluded = (exclude ?? []).map(compileGlob);
  const judge = (key: string): Verdict => {
    if (!matches(key)) return 'unmatched';
    if (!include_hidden && isHidden(key, prefix)) return 'hidden';
    if (excluded.some((glob) => glob.matches(key))) return 'excluded';
    return 'taken';
  };
  return { prefix, delimiter, judge, matches: (key) => judge(key) === 'taken' };
}

/** A part that begins with `_` and has a `=` is a Hive partition, whose column has such a name. */
const HIDDEN_PART = /\/(\.|_[^/=]*(\/|$))/;

/** Parts that begin within the literal prefix do not count: the pattern names them. */
function isHidden(key: string, prefix: string): boolean {
  return HIDDEN_PART.test(prefix === '' ? `/${key}` : key.slice(prefix.length - 1));
}
