/** Makes docs/settings.md from the table in src/settings.ts. */
import {
  CONSOLE_SETTINGS,
  DATABASE_SETTINGS,
  describePreset,
  LOG_SETTINGS,
  type SettingsTable,
  WORKER_SETTINGS,
} from '../src/settings.ts';

const SECTIONS: [title: string, table: SettingsTable][] = [
  ['All commands', { ...DATABASE_SETTINGS, ...LOG_SETTINGS }],
  ['Worker', WORKER_SETTINGS],
  ['Console', CONSOLE_SETTINGS],
];

/** Returns the page in Markdown. */
export function describeSettings(): string {
  return `${[
    '# Settings',
    '<!-- Generated from src/settings.ts by `npm run docs`. -->',
    'Settings are environment variables. A file `.env` in the working directory is read as well. Settings of a connector are columns of its row: [SQL reference](sql.md).',
    ...SECTIONS.flatMap(([title, table]) => [`## ${title}`, tableOf(table)]),
    "The worker also reads the AWS SDK's own variables, for credentials, profile and region.",
  ].join('\n\n')}\n`;
}

function tableOf(table: SettingsTable): string {
  const rows = Object.entries(table).map(
    ([name, setting]) => `| \`${name}\` | ${describePreset(setting)} | ${setting.purpose} |`,
  );
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
