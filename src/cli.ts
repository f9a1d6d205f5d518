#!/usr/bin/env node
/** The entry point of `pg-s3-connector`: finds the command, and prints help. */
import { parseArgs } from 'node:util';
import { COMMANDS, type Command } from './cli/commands.ts';
import { commandHelp, generalHelp } from './cli/help.ts';
import { nearest } from './cli/nearest.ts';
import type { Options } from './cli/options.ts';
import { exitWithError } from './exit.ts';
import { version } from './version.ts';

/** Exit status for a wrong command line; 1 is for other errors. */
const WRONG_USAGE = 2;
const HELP = ['--help', '-h', 'help'];
/** As a shell reports a program that SIGPIPE ended; Node ignores that signal. */
const PIPE_CLOSED = 141;

// `pg-s3-connector doctor | head` closes the pipe when it has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(PIPE_CLOSED);
  throw error;
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  exitWithError(error);
}

async function main([first, ...rest]: string[]): Promise<void> {
  if (first === undefined) return refuse(generalHelp());
  if (first === '--version' || first === '-v') return say(`${version}\n`);
  if (HELP.includes(first) && rest.length === 0) return say(generalHelp());
  // `help start` means `start --help`.
  const [name, options] = HELP.includes(first) ? [rest[0]!, ['--help']] : [first, rest];
  const command = COMMANDS.find((one) => one.name === name);
  if (!command) return refuse(unknownCommand(name));
  if (options.some((option) => HELP.includes(option))) return say(commandHelp(command));
  const { values, refusal } = readOptions(command, options);
  if (refusal !== undefined) return refuse(refusal);
  await command.run(values);
}

/** Reads `--name value` and `--name=value`. */
function readOptions(command: Command, args: string[]): { values: Options; refusal?: string } {
  const names = Object.keys(command.options ?? {});
  if (names.length === 0 && args.length > 0)
    return { values: {}, refusal: takesNoArguments(command, args[0]!) };
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
    return { values: parseArgs({ args, options }).values as Options };
  } catch (error) {
    const refusal = `${(error as Error).message}\nRun pg-s3-connector ${command.name} --help to see the options.\n`;
    return { values: {}, refusal };
  }
}

function unknownCommand(name: string): string {
  const names = COMMANDS.map((command) => command.name);
  const guess = nearest(name, names);
  const suggestion = guess ? `Did you mean ${guess}?` : `The commands are ${names.join(', ')}.`;
  return `There is no command ${JSON.stringify(name)}. ${suggestion} Run pg-s3-connector --help to see what they do.\n`;
}

function takesNoArguments({ name }: Command, option: string): string {
  return `${name} takes no arguments, but got ${JSON.stringify(option)}. Its settings are environment variables. Run pg-s3-connector ${name} --help to see them.\n`;
}

function say(text: string): void {
  process.stdout.write(text);
}

function refuse(text: string): void {
  process.stderr.write(text);
  process.exitCode = WRONG_USAGE;
}
