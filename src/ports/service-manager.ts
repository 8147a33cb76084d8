/**
 * Whoever started the node and wants to know how it does: systemd, or nobody. Telling it something is never worth a failure:
 * no method throws, and what could not be told is counted.
 */
export interface ServiceManager {
  /** How often it wants to hear `watchdog`, half of its limit; null: it does not ask. */
  readonly watchdogIntervalMs: number | null;
  /** Messages that were not delivered, since the start. */
  undelivered(): number;
  /** The start is complete. */
  ready(): void;
  /** The config is being read anew; `ready` says that it is done. */
  reloading(): void;
  /** One line for people who ask the service manager. Never a reading, a count of people or a secret. */
  status(text: string): void;
  /** The work makes progress. */
  watchdog(): void;
  /** The stop has begun: a reload that ends after it is not told any more. */
  stopping(): void;
  /** A start or stop needs this much longer, counted from now. */
  extendTimeout(ms: number): void;
  /** Lets go of the socket. Every later call does nothing. */
  close(): void;
}
