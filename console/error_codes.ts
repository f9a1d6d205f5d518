/** The error codes as docs/errors.md describes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/paths.ts';

export interface ErrorCode {
  code: string;
  /** passing or lasting; empty if neither applies. */
  kind: string;
  /** In Markdown, as all texts here. */
  cause: string;
  remedy: string;
}

let codes: ErrorCode[] | undefined;

/** Returns the rows of that code. The file is read once. */
export function describeCode(code: string): ErrorCode[] {
  codes ??= readCodes(readFileSync(join(packageRoot, 'docs', 'errors.md'), 'utf8'));
  return codes.filter((row) => row.code === code);
}

/** Reads the tables whose columns are named. */
function readCodes(text: string): ErrorCode[] {
  const found: ErrorCode[] = [];
  let header: string[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) {
      header = [];
      continue;
    }
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (header.length === 0) header = cells;
    const at = (name: string) => cells[header.indexOf(name)] ?? '';
    const [, code] = /^`(\w+)`$/.exec(at('code')) ?? [];
    if (code) found.push({ code, kind: at(''), cause: at('cause'), remedy: at('what to do') });
  }
  return found;
}
