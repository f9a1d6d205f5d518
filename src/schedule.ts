/** Reads the schedules of connectors. */
import { Cron } from 'croner';

/** The names of schedules. croner knows others, and does not know `@always`. sql/1_checks/schedules.sql accepts the same. */
const NAMED: Record<string, string> = {
  minute: '* * * * *',
  hour: '0 * * * *',
  '@always': '* * * * *',
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
};

export const SCHEDULE_NAMES: readonly string[] = Object.keys(NAMED);

/** Returns when a schedule (a name, or five cron fields in UTC) is next due after `from`; null: never. */
export function nextRun(schedule: string, from: Date): Date | null {
  return new Cron(NAMED[schedule] ?? schedule, { timezone: 'UTC', mode: '5-part' }).nextRun(from);
}
