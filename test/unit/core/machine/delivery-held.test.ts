import { describe, expect, it } from "vitest";
import { Delivery } from "../../../../src/core/machine/delivery.ts";
import type { DeliveryEffect, DeliveryEvent, Sendable } from "../../../../src/core/machine/delivery-events.ts";

interface Sent extends Sendable {
  readonly lane: string;
}

const MINUTE = 60_000;

/** A broker that answers at once, by `answer`, and a queue in which all rows wait at the start; time goes in steps of 50 ms. */
class Street {
  readonly delivery: Delivery<Sent>;
  readonly taken: number[] = [];
  readonly refused: number[] = [];
  readonly tried: number[] = [];
  /** The most effects of a single event. */
  mostEffects = 0;
  nowMs = 0;
  #next = 0;
  readonly #queue: readonly Sent[];
  readonly #answer: (row: Sent, nowMs: number) => number;
  readonly #granted: number | null;

  constructor(
    queue: readonly Sent[],
    answer: (row: Sent, nowMs: number) => number,
    perSecond: number | null,
    packetBytesMax: number | null = null,
  ) {
    this.delivery = new Delivery<Sent>({ inFlightMax: 20, ackTimeoutMs: 30_000, perSecond, spreadMs: 0 }, () => 0.5);
    this.#queue = queue;
    this.#answer = answer;
    this.#granted = packetBytesMax;
    this.connect();
  }

  connect(): void {
    this.#handle({ type: "connected", receiveMaximum: 65_535, packetBytesMax: this.#granted });
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; this.nowMs += 50) {
      for (let appetite = this.delivery.appetite; appetite > 0 && this.#next < this.#queue.length; appetite = this.delivery.appetite) {
        const rows = this.#queue.slice(this.#next, this.#next + Math.min(100, appetite));
        this.#next += rows.length;
        this.#handle({ type: "rows", rows });
      }
      this.#handle({ type: "tick" });
    }
  }

  #handle(event: DeliveryEvent<Sent>): void {
    const due: DeliveryEffect<Sent>[] = [...this.#told(event)];
    for (let at = 0; at < due.length; at++) {
      const effect = due[at];
      if (effect?.type === "settled") (effect.refusedWith === null ? this.taken : this.refused).push(effect.row.position);
      if (effect?.type !== "publish") continue;
      const { position } = effect.row;
      this.tried.push(position);
      due.push(...this.#told({ type: "acknowledged", position, reasonCode: this.#answer(effect.row, this.nowMs) }));
    }
  }

  #told(event: DeliveryEvent<Sent>): readonly DeliveryEffect<Sent>[] {
    const effects = this.delivery.handle(event, this.nowMs);
    this.mostEffects = Math.max(this.mostEffects, effects.length);
    return effects;
  }
}

const queueOf = (count: number, laneOf: (position: number) => string): Sent[] =>
  Array.from({ length: count }, (_, index) => ({ position: index + 1, bytes: 600, lane: laneOf(index + 1) }));
const upTo = (count: number, from = 1): number[] => Array.from({ length: count }, (_, index) => from + index);

describe("rows that the broker refuses", () => {
  it("keep nobody waiting that was not tried yet, however many they are and however slowly they are tried", () => {
    const OLD = 3_000;
    const queue = queueOf(OLD + 100, (position) => (position <= OLD ? "old" : "new"));
    const street = new Street(queue, ({ lane }) => (lane === "old" ? 0x99 : 0), 20);
    street.run(6 * MINUTE);
    expect(street.taken).toEqual(upTo(100, OLD + 1));
    street.run(10 * MINUTE);
    expect(street.refused.toSorted((a, b) => a - b)).toEqual(upTo(OLD));
  });

  it("are refused here when they are too long for it: some at a time, so that the node does other work", () => {
    const queue = queueOf(5_000, () => "long");
    const street = new Street(queue, () => 0, null, 100);
    street.run(MINUTE);
    street.run(5 * MINUTE);
    expect([street.taken, street.refused, street.tried]).toEqual([[], [], []]);
    expect(street.mostEffects).toBeLessThanOrEqual(21);
  });

  it("are not counted with those of which the code says why", () => {
    const answer = ({ lane }: Sent, nowMs: number) => (lane === "b" ? 0 : nowMs < 20 * MINUTE ? 0x87 : 0x83);
    const street = new Street(
      queueOf(4_000, (position) => (position === 1 ? "a" : "b")),
      answer,
      2,
    );
    street.run(20 * MINUTE);
    expect(street.tried.filter((position) => position === 1).length).toBeGreaterThan(15);
    street.run(5_000);
    expect(street.refused, "once, for no reason, is not yet for good").toEqual([]);
    street.run(20 * MINUTE);
    expect(street.refused).toEqual([1]);
  });
});

describe("a row that is told to come back, for ever", () => {
  it("is tried once a minute in the end; its lane waits, in order, and the others go on", () => {
    let isLimited = true;
    const queue = queueOf(4_000, (position) => (position % 100 === 1 ? "a" : "b"));
    const street = new Street(queue, ({ lane }) => (isLimited && lane === "a" ? 0x97 : 0), 2);
    street.run(30 * MINUTE);
    const first = street.tried.filter((position) => position === 1).length;
    expect(first).toBeGreaterThan(15);
    expect(first).toBeLessThan(50);
    expect(street.taken.length, "the others").toBeGreaterThan(3_000);
    expect(street.taken.every((position) => position % 100 !== 1)).toBe(true);
    isLimited = false;
    street.run(10 * MINUTE);
    const lane = street.taken.filter((position) => position % 100 === 1);
    expect(lane).toEqual(lane.toSorted((a, b) => a - b));
    expect([lane.length, street.taken.length, street.refused]).toEqual([40, 4_000, []]);
  });

  it.each([0x80, 0x97])("keeps no other waiting, however few may leave a second: 0x%i", (code) => {
    const street = new Street(
      queueOf(600, (position) => (position === 1 ? "a" : "b")),
      ({ lane }) => (lane === "a" ? code : 0),
      1,
    );
    street.run(20 * MINUTE);
    expect(street.taken).toEqual(upTo(599, 2));
  });
});

describe("a row for which the broker closes the connection", () => {
  it("waits a minute from when it is back, however long that took: the others are first", () => {
    const delivery = new Delivery<Sent>({ inFlightMax: 1, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0 }, () => 0.5);
    const handle = (event: DeliveryEvent<Sent>, nowMs: number): string =>
      delivery
        .handle(event, nowMs)
        .flatMap((effect) => (effect.type === "publish" ? [effect.row.lane] : []))
        .join();
    const CONNECTED = { type: "connected", receiveMaximum: 65_535, packetBytesMax: null } as const;
    const LOST = { type: "disconnected", cause: { is: "network" } } as const;
    const queue = queueOf(3, (position) => (position === 1 ? "bad" : "good"));
    handle(CONNECTED, 0);
    expect(handle({ type: "rows", rows: queue }, 0)).toBe("bad");
    for (let breaks = 1; breaks <= 2; breaks++) {
      handle(LOST, 0);
      handle(CONNECTED, 0);
      expect(handle({ type: "tick" }, 0), "it may have been chance").toBe("bad");
    }
    handle(LOST, 0);
    const backMs = 5 * MINUTE;
    handle(CONNECTED, backMs);
    expect(handle({ type: "tick" }, backMs)).toBe("good");
    expect(handle({ type: "acknowledged", position: 2, reasonCode: 0 }, backMs)).toBe("good");
    expect(handle({ type: "acknowledged", position: 3, reasonCode: 0 }, backMs + 59_000)).toBe("");
    expect(handle({ type: "tick" }, backMs + MINUTE)).toBe("bad");
  });
});
