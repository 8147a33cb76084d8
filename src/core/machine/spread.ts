/** How long a machine may be up at the start of the service for that to count as a power return: slow cards take a minute to get here. */
export const FRESH_BOOT_MS = 180_000;

/**
 * A time in [0, `rangeMs`) that is always the same for the same name, and spread evenly over names: a street of nodes does the same thing
 * at different times without asking anybody. `digest`: SHA-256 of the name in hex.
 */
export function spreadMs(digest: string, rangeMs: number): number {
  const DIGITS = 8; // 32 bits: finer than a millisecond for any range up to 49 days
  return Math.floor((Number.parseInt(digest.slice(0, DIGITS), 16) / 16 ** DIGITS) * rangeMs);
}

/** What the first connection of a run depends on. */
export interface FirstConnect {
  /** SHA-256 of node id and boot id, in hex. */
  readonly digest: string;
  /** How long the machine is up. */
  readonly uptimeMs: number;
  /** Whether the service was started before in this boot. */
  readonly isRestart: boolean;
  readonly rangeMs: number;
}

/**
 * How long the first connection waits. When power comes back to a street, all its nodes boot at once: they connect at different times.
 * A restart of the service connects at once.
 */
export function firstConnectMs({ digest, uptimeMs, isRestart, rangeMs }: FirstConnect): number {
  return isRestart || uptimeMs > FRESH_BOOT_MS ? 0 : spreadMs(digest, rangeMs);
}
