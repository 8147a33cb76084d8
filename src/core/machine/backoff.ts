/** How waits between attempts grow. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * Wait before attempt number `attempt` (0 is the first retry): doubles up to the longest, with full jitter above half of it, so
 * that a street of nodes does not come back in step. `jitter` is a number in [0, 1).
 */
export function backoffMs(backoff: Backoff, attempt: number, jitter: number): number {
  const ceilingMs = Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceilingMs * (0.5 + jitter / 2));
}
