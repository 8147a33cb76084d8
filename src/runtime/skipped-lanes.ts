/**
 * Sensors that wait because the broker does not let them, perhaps for weeks. Of their rows only the first few are at hand, to be tried once
 * a minute; the others stay in the outbox, and are read when the sensor may publish again.
 */
export class SkippedLanes {
  /** By lane: the position of the first row that was skipped. */
  readonly #first = new Map<string, number>();

  /** Lanes of which rows were skipped. */
  get lanes(): readonly string[] {
    return [...this.#first.keys()];
  }

  /** Whether a row that was read is skipped: its lane waits, or the rows before it were skipped. */
  skips(lane: string, position: number, isHeld: boolean): boolean {
    const first = this.#first.get(lane);
    if (first === undefined && !isHeld) return false;
    this.#first.set(lane, Math.min(first ?? position, position));
    return true;
  }

  /** The lane goes on: the position that its rows are to be read from; null when none was skipped. */
  resume(lane: string): number | null {
    const first = this.#first.get(lane) ?? null;
    this.#first.delete(lane);
    return first;
  }
}
