/** Preloaded into a worker process (`node --import`) to stop it when its parent process ends, however that ends. */
import { isMainThread } from 'node:worker_threads';

// The worker's threads load this too. Their stdin is closed from the start.
if (isMainThread) {
  // Stdin is a pipe from the parent, so it closes when the parent ends.
  process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGTERM'));
  // Do not keep the process alive just for this.
  (process.stdin as NodeJS.ReadStream & { unref?: () => void }).unref?.();
}
