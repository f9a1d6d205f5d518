import { isMainThread } from 'node:worker_threads';

/** Loaded before a worker: when the program that started it is gone, however it went, stdin closes, and the worker stops. */
// It is loaded before each of the worker's threads, too; theirs is closed from the beginning.
if (isMainThread) {
  process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGTERM'));
  // Waiting for that end is no reason to live on.
  (process.stdin as NodeJS.ReadStream & { unref?: () => void }).unref?.();
}
