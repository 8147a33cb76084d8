import fc from "fast-check";
import { expect, it } from "vitest";
import { Delivery } from "../../src/core/machine/delivery.ts";
import type { DeliveryEffect, DeliveryEvent, Sendable } from "../../src/core/machine/delivery-events.ts";
import { verdictOf } from "../../src/core/machine/reason-codes.ts";

const ROWS = 40;
const ACK_TIMEOUT_MS = 30_000;
const IN_FLIGHT_MAX = 5;
const LANES = 3;
/** Shortest pauses that the machine may make: half of the first backoff, and a minute for a broken ACL. */
/** Answers that only told to wait, in a row, until the lane of the next one waits. */
const FAILURES_IN_A_ROW = 3;
const RESEND_MS_MIN = 500;
const NOT_AUTHORISED_MS = 60_000;

type Action =
  | { readonly is: "connect"; readonly receiveMaximum: number }
  | { readonly is: "disconnect" }
  /** Answers the row in flight at this place, whichever that is. */
  | { readonly is: "answer"; readonly at: number; readonly reasonCode: number }
  /** A PUBACK for a row that is not in flight. */
  | { readonly is: "stray"; readonly position: number }
  | { readonly is: "feed" }
  | { readonly is: "say" }
  | { readonly is: "pass"; readonly ms: number }
  | { readonly is: "tick" };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ is: fc.constant("connect" as const), receiveMaximum: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "disconnect" }) },
  {
    weight: 16,
    arbitrary: fc.record({
      is: fc.constant("answer" as const),
      at: fc.nat({ max: 7 }),
      reasonCode: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x80, 0x87, 0x97, 0x99),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("stray" as const), position: fc.integer({ min: -3, max: ROWS }) }) },
  { weight: 5, arbitrary: fc.constant<Action>({ is: "feed" }) },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "say" }) },
  { weight: 5, arbitrary: fc.record({ is: fc.constant("pass" as const), ms: fc.constantFrom(1, 400, 1_000, 20_000, 61_000) }) },
  { weight: 4, arbitrary: fc.constant<Action>({ is: "tick" }) },
);

/** The world around the machine, and all that must be true of it. */
class DeliveryModel {
  readonly delivery = new Delivery<Sendable>(
    { inFlightMax: IN_FLIGHT_MAX, ackTimeoutMs: ACK_TIMEOUT_MS, perSecond: null, spreadMs: 0 },
    () => 0,
  );
  readonly inFlight = new Map<number, number>();
  readonly fed = new Set<number>();
  readonly settled = new Set<number>();
  readonly sentOnce: number[] = [];
  nowMs = 0;
  up = false;
  window = 0;
  pausedUntilMs = 0;
  readonly heldUntilMs = new Map<string, number>();
  /** Lanes that others go before: until they have a row taken. */
  readonly yieldsUntilMs = new Map<string, number>();
  /** Rows that were refused while the broker took no others: until it takes one. After that time others may still overtake them. */
  readonly doubtedUntilMs = new Map<number, number>();
  /** Lanes that may be held: they ended a connection, and another was made. */
  readonly perhapsHeldUntilMs = new Map<string, number>();
  readonly breaking = new Set<string>();
  /** Pauses since a row was taken. */
  failures = 0;
  says = 0;
  cuts = 0;

  act(action: Action): void {
    switch (action.is) {
      case "connect":
        if (this.up) return;
        this.up = true;
        this.window = Math.min(IN_FLIGHT_MAX, action.receiveMaximum);
        for (const lane of this.breaking) this.perhapsHeldUntilMs.set(lane, this.nowMs + NOT_AUTHORISED_MS);
        return this.#handle({ type: "connected", receiveMaximum: action.receiveMaximum, packetBytesMax: null });
      case "disconnect":
        return this.#disconnect();
      case "answer": {
        const position = [...this.inFlight.keys()][action.at % Math.max(1, this.inFlight.size)];
        if (position !== undefined) this.#answer(position, action.reasonCode);
        return;
      }
      case "stray":
        if (!this.inFlight.has(action.position)) this.#handle({ type: "acknowledged", position: action.position, reasonCode: 0 });
        return;
      case "feed": {
        const first = this.fed.size + 1;
        const count = Math.min(this.delivery.appetite, ROWS - this.fed.size);
        const rows = Array.from({ length: count }, (_, index) => ({ position: first + index, bytes: 300, lane: laneOf(first + index) }));
        for (const { position } of rows) this.fed.add(position);
        return this.#handle({ type: "rows", rows });
      }
      case "say":
        if (!this.up) return;
        this.says--;
        return this.#handle({ type: "urgent", row: { position: this.says, bytes: 300 } });
      case "pass":
        this.nowMs += action.ms;
        return;
      case "tick":
        return this.#handle({ type: "tick" });
    }
  }

  #answer(position: number, reasonCode: number): void {
    this.inFlight.delete(position);
    const before = this.settled.size;
    // The machine may take 0x80 for final after ten failures of one row; it pauses when it does not.
    const effects = this.#run({ type: "acknowledged", position, reasonCode });
    const failed = effects.some((effect) => effect.type === "failure" && effect.row.position === position);
    const verdict = verdictOf(reasonCode, 0);
    if (verdict === "settled" || (verdict === "refused" && position < 0)) expect(failed).toBe(false);
    if (verdict === "settled" && position > 0) expect(this.settled.size).toBeGreaterThan(before);
    if (verdict === "refused" && position > 0) {
      expect(failed || this.settled.has(position)).toBe(true);
      return;
    }
    // What is not allowed keeps its own sensor back, and nobody else.
    if (failed && reasonCode === 0x87) return;
    // When nothing was taken for some time, it may be because of this one: its lane is held, for others.
    if (failed && this.failures >= FAILURES_IN_A_ROW && position > 0)
      if (!this.#isHeld(position)) this.yieldsUntilMs.set(laneOf(position), this.nowMs + NOT_AUTHORISED_MS);
    // During a pause, failures are of the flight that led to it.
    if (failed && this.nowMs >= this.pausedUntilMs) {
      this.pausedUntilMs = this.nowMs + RESEND_MS_MIN * 2 ** Math.min(this.failures, 5);
      this.failures++;
    }
    // Whatever the answer, nothing may follow a failure in the same breath.
    if (failed) expect(effects).toHaveLength(1);
  }

  #disconnect(): void {
    if (!this.up) return;
    this.up = false;
    this.inFlight.clear();
    this.pausedUntilMs = 0;
    const effects = this.#run({ type: "disconnected", cause: { is: "network" } });
    expect(effects.filter(({ type }) => type !== "failure").map(({ type }) => type)).toEqual(["connectIn"]);
  }

  #handle(event: DeliveryEvent<Sendable>): void {
    this.#run(event);
  }

  #run(event: DeliveryEvent<Sendable>): readonly DeliveryEffect<Sendable>[] {
    const effects = this.delivery.handle(event, this.nowMs);
    let isCut = false;
    for (const effect of effects) {
      if (effect.type === "failure" && effect.row.position > 0 && (effect.reasonCode ?? 0x87) === 0x87) {
        this.heldUntilMs.set(laneOf(effect.row.position), this.nowMs + NOT_AUTHORISED_MS);
        if (effect.reasonCode === null) this.breaking.add(laneOf(effect.row.position));
      }
      if (effect.type === "failure" && effect.row.position > 0 && effect.reasonCode === 0x99) {
        this.doubtedUntilMs.set(effect.row.position, this.nowMs + NOT_AUTHORISED_MS);
      }
      if (effect.type === "settled" && effect.row.position > 0 && effect.refusedWith === null) this.#taken(effect.row.position);
      if (effect.type === "publish") this.#published(effect.row.position);
      if (effect.type === "settled") {
        expect(this.settled.has(effect.row.position)).toBe(false);
        this.settled.add(effect.row.position);
      }
      if (effect.type === "cut") isCut = true;
    }
    expect(this.delivery.inFlight).toBe(this.inFlight.size);
    if (isCut) {
      expect(Math.min(...this.inFlight.values()) + ACK_TIMEOUT_MS).toBeLessThanOrEqual(this.nowMs);
      this.cuts++;
      this.#disconnect();
    }
    return effects;
  }

  #taken(position: number): void {
    this.failures = 0;
    this.yieldsUntilMs.delete(laneOf(position));
    for (const [position, untilMs] of this.doubtedUntilMs) if (untilMs > this.nowMs) this.doubtedUntilMs.delete(position);
  }

  #published(position: number): void {
    expect(this.up).toBe(true);
    expect(this.nowMs).toBeGreaterThanOrEqual(this.pausedUntilMs);
    expect(this.inFlight.has(position)).toBe(false);
    expect(this.settled.has(position)).toBe(false);
    if (position > 0) {
      // Everything before it is settled or on its way: first sends are in order, and what was cut off goes first.
      const isReady = (row: number) =>
        !this.settled.has(row) && !this.inFlight.has(row) && !this.#isHeld(row) && !this.#mayBeOvertaken(row);
      const isYielding = (row: number) => this.nowMs < (this.yieldsUntilMs.get(laneOf(row)) ?? 0);
      const ready = [...this.fed].filter(isReady);
      // Whoever yields comes behind all that do not.
      const turnOf = (row: number) => (isYielding(row) ? ROWS : 0) + row;
      expect(ready.some((other) => turnOf(other) < turnOf(position))).toBe(false);
      expect(this.#isHeld(position)).toBe(false);
      if (!this.sentOnce.includes(position)) this.sentOnce.push(position);
    } else {
      expect(position).toBe(this.says);
    }
    this.inFlight.set(position, this.nowMs);
    expect(this.inFlight.size).toBeLessThanOrEqual(this.window);
  }

  #mayBeOvertaken(position: number): boolean {
    return this.doubtedUntilMs.has(position) || this.nowMs < (this.perhapsHeldUntilMs.get(laneOf(position)) ?? 0);
  }

  #isHeld(position: number): boolean {
    return this.nowMs < Math.max(this.heldUntilMs.get(laneOf(position)) ?? 0, this.doubtedUntilMs.get(position) ?? 0);
  }
}

const laneOf = (position: number): string => `sensor ${position % LANES}`;

it("never sends too much, out of order, twice at once, or while the broker asked for peace", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 250, size: "max" }), (actions) => {
      const model = new DeliveryModel();
      for (const one of actions) model.act(one);
      for (let lane = 0; lane < LANES; lane++) {
        const own = model.sentOnce.filter((position) => position % LANES === lane);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
    }),
    { numRuns: 100 },
  );
});

it("settles every row exactly once when the faults stop", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 150, size: "max" }), (actions) => {
      const model = new DeliveryModel();
      for (const one of actions) model.act(one);
      model.act({ is: "connect", receiveMaximum: 8 });
      for (let round = 0; round < 2 * ROWS && !(model.fed.size === ROWS && model.delivery.isIdle); round++) {
        model.act({ is: "feed" });
        while (model.inFlight.size > 0) model.act({ is: "answer", at: 0, reasonCode: 0 });
        model.act({ is: "pass", ms: 61_000 });
        model.act({ is: "tick" });
        if (!model.up) model.act({ is: "connect", receiveMaximum: 8 });
      }
      const queue = [...model.settled].filter((position) => position > 0).sort((a, b) => a - b);
      expect(queue).toEqual(Array.from({ length: ROWS }, (_, index) => index + 1));
      expect(model.delivery.isIdle).toBe(true);
    }),
    { numRuns: 100 },
  );
});
