import { setTimeout as wait } from "node:timers/promises";

const DEADLINE_MS = 5_000;
const POLL_MS = 2;

/** Resolves as soon as `done` holds; rejects after five seconds of real time, or `timeoutMs`. For tests on real sockets only. */
export async function until(done: () => boolean, what = "what was waited for", timeoutMs = DEADLINE_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await wait(POLL_MS);
  }
}
