#!/usr/bin/env node
import { COMMANDS, type Command } from './cli/commands.ts';
import { commandHelp, generalHelp } from './cli/help.ts';
import { nearest } from './cli/nearest.ts';
import { exitWithError } from './exit.ts';
import { version } from './version.ts';

/** Exit status for what was typed wrong; 1 is for what went wrong. */
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
  // `help start` is `start --help`.
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
  const suggestion = guess ? `Did you mean ${guess}?` : `There are ${names.join(', ')}.`;
  return `There is no command ${JSON.stringify(name)}. ${suggestion} pg-s3-connector --help explains them.\n`;
}

function unknownOption({ name }: Command, option: string): string {
  return `${name} takes no arguments, but got ${JSON.stringify(option)}. Its settings come from the environment: pg-s3-connector ${name} --help\n`;
}

function say(text: string): void {
  process.stdout.write(text);
}

function refuse(text: string): void {
  process.stderr.write(text);
  process.exitCode = WRONG_USAGE;
}
