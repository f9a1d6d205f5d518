import { COMMANDS } from '../../src/cli/commands.ts';

/** Whether the program, or the AWS SDK in it, reads this environment variable. */
export function isKnownSetting(name: string): boolean {
  const known = new Set(COMMANDS.flatMap(({ settings }) => Object.keys(settings)));
  return known.has(name) || /^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|PROFILE)$/.test(name);
}

/** Whether an image is named with a fixed version. */
export function isPinned(image: string): boolean {
  return /^[a-z0-9./_-]+:v?\d+\.\d+\.\d+[\w.-]*$/.test(image);
}
