/** Splits an SQL script into its statements, so that an error can name one, and one can be retried. */

/**
 * Matches a semicolon, or text in which a semicolon does not end the statement: comments, quoted text and names,
 * dollar-quoted bodies, and bodies of SQL, whose `end` begins a line.
 */
const SEMICOLON_OR_OPAQUE =
  /--[^\n]*|^begin atomic$[\s\S]*?^end\b|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;/gm;

/** Returns the statements of a script in their order, each without its semicolon. */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  for (const { 0: found, index } of script.matchAll(SEMICOLON_OR_OPAQUE)) {
    if (found !== ';') continue;
    statements.push(script.slice(start, index));
    start = index + 1;
  }
  statements.push(script.slice(start));
  return statements.map(withoutComments).filter(Boolean);
}

/** Returns the statement without the comments before it, so that it begins with its first word. */
function withoutComments(statement: string): string {
  return statement.replace(/^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '').trimEnd();
}

/** Returns the first line of a statement, for messages. */
export function describeStatement(statement: string): string {
  const [line] = statement.split('\n', 1);
  return line!.length <= 120 ? line! : `${line!.slice(0, 120)} ...`;
}
