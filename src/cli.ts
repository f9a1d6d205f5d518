#!/usr/bin/env node
/** The entry point of `pg-s3-connector`: finds the command, and prints help. */
import { COMMANDS, type Command } from './cli/commands.ts';
import { commandHelp, generalHelp } from './cli/help.ts';
import { nearest } from './cli/nearest.ts';
import { exitWithError } from './exit.ts';
import { version } from './version.ts';

/** Exit status for a wrong command line; 1 is for other errors. */
const WRONG_USAGE = 2;
const HELP = ['--help', '-h', 'help'];

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
  if (options.length > 0) return refuse(unknownOption(command, options[0]!));
  await command.run();
}

function unknownCommand(name: string): string {
  const names = COMMANDS.map((command) => command.name);
  const guess = nearest(name, names);
  const suggestion = guess ? `Did you mean ${guess}?` : `The commands are ${names.join(', ')}.`;
  return `There is no command ${JSON.stringify(name)}. ${suggestion} Run pg-s3-connector --help to see what they do.\n`;
}

function unknownOption({ name }: Command, option: string): string {
  return `${name} takes no arguments, but got ${JSON.stringify(option)}. Its settings are environment variables. Run pg-s3-connector ${name} --help to see them.\n`;
}

function say(text: string): void {
  process.stdout.write(text);
}

function refuse(text: string): void {
  process.stderr.write(text);
  process.exitCode = WRONG_USAGE;
}
