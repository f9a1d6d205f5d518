import { Cron } from 'croner';

const NAMED: Record<string, string> = { minute: '* * * * *', hour: '0 * * * *' };

/** The first time after `from` at which a schedule (five cron fields in UTC, `minute` or `hour`) is due; null: never. */
export function nextRun(schedule: string, from: Date): Date | null {
  return new Cron(NAMED[schedule] ?? schedule, { timezone: 'UTC', mode: '5-part' }).nextRun(from);
}
