/** What `Holds` looks at. */
interface Held {
  readonly position: number;
  readonly lane?: string;
}

/** An ACL may be mended without us: asking once a minute is enough. */
export const HOLD_MS = 60_000;
/** The most rows that are kept at hand while they are held: where they are in the queue, without their payloads. */
const HELD_ROWS_MAX = 10_000;

/** How long something is held. */
interface Hold {
  readonly untilMs: number;
  /** The broker closed the connection because of it. */
  readonly breaks: boolean;
  /** Others are to have their turn, and when there are none this one goes on. */
  readonly isYielding: boolean;
}

/** Which lanes and rows wait because the broker does not let them; the others go on. */
export class Holds {
  readonly #lanes = new Map<string, Hold>();
  /** One that is over stays until the row has left: such a row waits for those that were not tried yet. */
  readonly #rows = new Map<number, Hold>();
  /** Lanes that were held when the broker last took one of another. */
  readonly #barred = new Set<string>();
  /** As of the last `nextIn`. */
  #nowMs = Number.NEGATIVE_INFINITY;

  /** This row, and what comes after it in its lane, waits. `breaks`: the broker closed the connection because of it. */
  hold(row: Held, nowMs: number, breaks: boolean): void {
    this.#lanes.set(laneOf(row), { untilMs: nowMs + HOLD_MS, breaks, isYielding: false });
  }

  /** This row, and what comes after it in its lane, waits as long as there are others. */
  yieldTurn(row: Held, nowMs: number): void {
    const lane = laneOf(row);
    const hold = this.#lanes.get(lane);
    const isHeld = hold !== undefined && !hold.isYielding && hold.untilMs > nowMs;
    if (!isHeld) this.#lanes.set(lane, { untilMs: nowMs + HOLD_MS, breaks: false, isYielding: true });
  }

  /** The broker took it: its lane need not yield any more. */
  taken(row: Held): void {
    this.#rows.delete(row.position);
    if (this.#lanes.get(laneOf(row))?.isYielding === true) this.#lanes.delete(laneOf(row));
    for (const [lane, { isYielding }] of this.#lanes) if (!isYielding) this.#barred.add(lane);
    this.#barred.delete(laneOf(row));
  }

  /** This row alone waits, until `freeRows` at the latest. */
  holdRow({ position }: Held, nowMs: number, breaks: boolean): void {
    this.#rows.set(position, { untilMs: nowMs + HOLD_MS, breaks, isYielding: false });
  }

  freeRows(): void {
    for (const [position, { untilMs }] of this.#rows) if (untilMs > this.#nowMs) this.#rows.delete(position);
  }

  /** The row is not waiting any more. */
  left({ position }: Held): void {
    this.#rows.delete(position);
    this.#barred.delete(laneOf({ position }));
  }

  /** What breaks connections waits anew: the way back took longer than a hold, and the others are to have this one first. */
  connected(nowMs: number): void {
    const untilMs = nowMs + HOLD_MS;
    for (const [lane, hold] of this.#lanes) if (hold.breaks) this.#lanes.set(lane, { ...hold, untilMs });
    for (const [position, hold] of this.#rows) if (hold.breaks) this.#rows.set(position, { ...hold, untilMs });
  }

  isHeld(lane: string): boolean {
    return this.#lanes.has(lane);
  }

  /**
   * Index of the first row that may go now, or -1; a row that was held by itself and is not any more goes after those that were not
   * tried: many that are refused would keep all others waiting. Then come those that yield. `waiting`: ascending by position.
   */
  nextIn(waiting: readonly Held[], nowMs: number): number {
    this.#nowMs = nowMs;
    for (const [lane, { untilMs }] of this.#lanes) if (nowMs >= untilMs) this.#lanes.delete(lane);
    if (this.#isNothingHeld()) return waiting.length === 0 ? -1 : 0;
    let tried = -1;
    let yielding = -1;
    for (let index = 0; index < waiting.length; index++) {
      const row = waiting[index] as Held;
      const isHeld = this.#isRowHeld(row);
      if (!isHeld && !this.#rows.has(row.position)) return index;
      if (!isHeld && tried < 0) tried = index;
      if (isHeld && yielding < 0 && this.#isYielding(row)) yielding = index;
    }
    return tried < 0 ? yielding : tried;
  }

  /** Whether its lane waits while the broker takes others: that is a matter of the topic, not of the broker. */
  isBarred(row: Held): boolean {
    return this.#barred.has(laneOf(row));
  }

  /** How many of these others may overtake, as of the last `nextIn`: they are held, or were. */
  countIn(waiting: readonly Held[]): number {
    if (this.#isNothingHeld()) return 0;
    return waiting.filter((row) => this.#rows.has(row.position) || this.#isRowHeld(row)).length;
  }

  /** Whether those are so many that no more are to be read. */
  isFullWith(waiting: readonly Held[]): boolean {
    return this.countIn(waiting) >= HELD_ROWS_MAX;
  }

  #isRowHeld(row: Held): boolean {
    if (this.#lanes.size > 0 && this.#lanes.has(laneOf(row))) return true;
    const hold = this.#rows.get(row.position);
    return hold !== undefined && hold.untilMs > this.#nowMs;
  }

  #isYielding(row: Held): boolean {
    return this.#lanes.get(laneOf(row))?.isYielding === true && !this.#rows.has(row.position);
  }

  #isNothingHeld(): boolean {
    return this.#lanes.size === 0 && this.#rows.size === 0;
  }
}

const laneOf = ({ lane, position }: Held): string => lane ?? `#${position}`;
