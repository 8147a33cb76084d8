/** How waits between attempts grow. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * Wait before attempt number `attempt` (0 is the first retry): doubles up to the longest, with jitter above half of it. For what is
 * this node's own affair: a port, a pause that a broker asked for. `jitter` is a number in [0, 1).
 */
export function backoffMs(backoff: Backoff, attempt: number, jitter: number): number {
  return Math.round(ceilingMs(backoff, attempt) * (0.5 + jitter / 2));
}

/** Nobody tries again sooner, so that a broker that refuses at once is not asked in a loop. */
const FULL_JITTER_MS_MIN = 100;

/**
 * The same with full jitter, from zero to the ceiling: all nodes of a city lose their broker in the same instant, and the load when it is
 * back is flat only when each comes at any time with the same chance.
 */
export function fullJitterMs(backoff: Backoff, attempt: number, jitter: number): number {
  return Math.max(FULL_JITTER_MS_MIN, Math.round(ceilingMs(backoff, attempt) * jitter));
}

function ceilingMs({ firstMs, longestMs }: Backoff, attempt: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 30));
}
