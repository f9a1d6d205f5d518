/** The texts of `--help`. */
import { describePreset, type SettingsTable } from '../settings.ts';
import { COMMANDS, type Command } from './commands.ts';

/** Returns the text of `pg-s3-connector --help`. */
export function generalHelp(): string {
  return `pg-s3-connector imports the CSV, JSON and Parquet files of S3 buckets into PostgreSQL and TimescaleDB, each exactly once.

Usage: pg-s3-connector <command>

${columns(COMMANDS.map(({ name, summary }) => [name, summary]))}

Settings are environment variables; the file .env in the working directory is read, too. First steps:

  export DATABASE_URL=postgres://user:password@host:5432/database
  pg-s3-connector doctor
  pg-s3-connector start

With a worker running, the rest is SQL. This starts a connector:

  insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table)
  values ('sensors', 'my-bucket', 'sensors/**/*.csv', 'csv', 'sensor_readings');

pg-s3-connector <command> --help explains one command and its settings; pg-s3-connector --version prints the version.
`;
}

/** Returns the text of `pg-s3-connector <command> --help`. */
export function commandHelp({ name, summary, details, settings, options = {} }: Command): string {
  const usage = Object.entries(options).map(([option, { value }]) => `[--${option} ${value}]`);
  return `pg-s3-connector ${name}: ${summary}

Usage: ${['pg-s3-connector', name, ...usage].join(' ')}

${details}
${optionsList(options)}
Settings are environment variables, or lines of .env:

${settingsList(settings)}
The AWS SDK reads its own variables: credentials, profile, region.
`;
}

function optionsList(options: NonNullable<Command['options']>): string {
  const rows = Object.entries(options).map(
    ([name, { value, purpose }]) => [`--${name} ${value}`, purpose] as const,
  );
  return rows.length === 0 ? '' : `\n${columns(rows)}\n`;
}

function settingsList(settings: SettingsTable): string {
  return Object.entries(settings)
    .map(([name, setting]) => `  ${name}  (${describePreset(setting)})\n      ${setting.purpose}\n`)
    .join('');
}

function columns(rows: readonly (readonly [name: string, text: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n');
}
