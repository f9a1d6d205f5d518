/** Cuts a script of SQL into its statements, so that an error can name one, and one can be tried again. */

/** What hides a semicolon: comments, quoted text and names, dollar-quoted bodies, and bodies of SQL, whose `end` begins a line. */
const HIDING =
  /--[^\n]*|^begin atomic$[\s\S]*?^end\b|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;/gm;

/** Returns the statements of a script in their order, each without its semicolon. */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  for (const { 0: found, index } of script.matchAll(HIDING)) {
    if (found !== ';') continue;
    statements.push(script.slice(start, index));
    start = index + 1;
  }
  statements.push(script.slice(start));
  return statements.map(withoutComments).filter(Boolean);
}

/** Comments before a statement would only be in the way of its first words. */
function withoutComments(statement: string): string {
  return statement.replace(/^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '').trimEnd();
}

/** What a statement makes or changes, in the words of its first line, for messages. */
export function describeStatement(statement: string): string {
  const [line] = statement.split('\n', 1);
  return line!.length <= 120 ? line! : `${line!.slice(0, 120)} ...`;
}
