/** Loaded before the worker: when the demo is gone, however it went, its end of stdin closes, and the worker stops. */
process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGTERM'));
// Waiting for the demo's end is no reason to live on.
(process.stdin as NodeJS.ReadStream & { unref?: () => void }).unref?.();
