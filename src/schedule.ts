/** Reads the schedules of connectors. */
import { Cron } from 'croner';

const NAMED: Record<string, string> = { minute: '* * * * *', hour: '0 * * * *' };

/** Returns when a schedule (five cron fields in UTC, `minute` or `hour`) is next due after `from`; null: never. */
export function nextRun(schedule: string, from: Date): Date | null {
  return new Cron(NAMED[schedule] ?? schedule, { timezone: 'UTC', mode: '5-part' }).nextRun(from);
}
