import { describe, expect, it } from "vitest";
import { Delivery } from "../../../../src/core/machine/delivery.ts";
import type { DeliveryEffect, DeliveryLimits, Sendable } from "../../../../src/core/machine/delivery-events.ts";

const row = (position: number, bytes = 300): Sendable => ({ position, bytes });
const rows = (...positions: readonly number[]) => ({ type: "rows", rows: positions.map((position) => row(position)) }) as const;
const acknowledged = (position: number, reasonCode = 0) => ({ type: "acknowledged", position, reasonCode }) as const;
const LIMITS: DeliveryLimits = { inFlightMax: 2, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0 };
const LOST = { type: "disconnected", cause: { is: "network" } } as const;
const CONNECTED = { type: "connected", receiveMaximum: 65_535, packetBytesMax: null } as const;

/** Effects in short: `+3` is a publish of row 3, `=3` settled, `!3` refused for good. */
function brief(effects: readonly DeliveryEffect<Sendable>[]): readonly string[] {
  return effects.map((effect) => {
    if (effect.type === "publish") return `+${effect.row.position}`;
    if (effect.type === "settled") return `${effect.refusedWith === null ? "=" : "!"}${effect.row.position}`;
    if (effect.type === "failure") return `?${effect.row.position}`;
    return effect.type === "connectIn" ? `connectIn ${effect.delayMs}` : effect.type;
  });
}

interface Granted {
  readonly receiveMaximum?: number;
  readonly packetBytesMax?: number;
}

function connected(inFlightMax = 2, jitter = 0.999_999, granted: Granted = {}) {
  const delivery = new Delivery<Sendable>({ ...LIMITS, inFlightMax }, () => jitter);
  delivery.handle({ ...CONNECTED, ...granted }, 0);
  return delivery;
}

describe("Delivery", () => {
  it("asks for a connection, and waits 1 s to 5 min between attempts", () => {
    const delivery = new Delivery<Sendable>(LIMITS, () => 0.999_999);
    expect(brief(delivery.handle({ type: "connectDue" }, 0))).toEqual(["connect"]);
    const waits = Array.from({ length: 11 }, () => brief(delivery.handle(LOST, 0)).join());
    expect(waits.slice(0, 3)).toEqual(["connectIn 1000", "connectIn 2000", "connectIn 4000"]);
    expect(waits.at(-1)).toBe("connectIn 300000");
  });

  it("starts its backoff anew after a connection that held for 30 s", () => {
    const delivery = connected();
    for (let attempt = 0; attempt < 5; attempt++) delivery.handle(LOST, 0);
    delivery.handle(CONNECTED, 100_000);
    expect(brief(delivery.handle(LOST, 129_999))).toEqual(["connectIn 32000"]);
    delivery.handle(CONNECTED, 200_000);
    expect(brief(delivery.handle(LOST, 230_000))).toEqual(["connectIn 1000"]);
  });

  it.each([
    ["a shutdown", { is: "disconnected", reasonCode: 0x8b }, 0, 100], // never sooner, whatever the dice say
    ["a shutdown", { is: "disconnected", reasonCode: 0x8b }, 0.999_999, 1_000],
    ["a busy broker", { is: "refused", reasonCode: 0x89 }, 0, 30_000],
    ["a refusal", { is: "refused", reasonCode: 0x86 }, 0, 150_000],
    ["a refusal", { is: "refused", reasonCode: 0x86 }, 0.999_999, 300_000],
    ["a session that was taken over", { is: "disconnected", reasonCode: 0x8e }, 0, 180_000],
    ["a session that was taken over", { is: "disconnected", reasonCode: 0x8e }, 0.999_999, 300_000],
    ["a redirect", { is: "refused", reasonCode: 0x9d }, 0, 150_000],
    ["a code that nobody knows", { is: "disconnected", reasonCode: 0xf1 }, 0, 30_000],
  ] as const)("leaves a broker alone after %s: %j, jitter %d", (_what, cause, jitter, delayMs) => {
    const delivery = connected(2, jitter);
    expect(brief(delivery.handle({ type: "disconnected", cause }, 0))).toEqual([`connectIn ${delayMs}`]);
  });

  it("spreads the first attempt after an outage over as long as it is told, and starts from zero", () => {
    const spread = (jitter: number) => {
      const delivery = new Delivery<Sendable>({ ...LIMITS, spreadMs: 60_000 }, () => jitter);
      delivery.handle(CONNECTED, 0);
      return [brief(delivery.handle(LOST, 40_000)), brief(delivery.handle(LOST, 40_000))].flat();
    };
    expect(spread(0.5)).toEqual(["connectIn 30000", "connectIn 60000"]);
    expect(spread(0.01)).toEqual(["connectIn 600", "connectIn 1200"]);
  });

  it("sends one for one: never more in flight than the operator or the broker allows", () => {
    const delivery = connected(3, 0, { receiveMaximum: 2 });
    expect(brief(delivery.handle(rows(1, 2, 3, 4), 0))).toEqual(["+1", "+2"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2", "+3"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual([]);
    expect(delivery.inFlight).toBe(2);
  });

  it("sends again after a cut all that was not acknowledged, and first", () => {
    const delivery = connected(3);
    delivery.handle(rows(1, 2, 3, 4, 5), 0);
    delivery.handle(acknowledged(2), 0);
    delivery.handle(LOST, 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual([]);
    const again = [...delivery.handle(CONNECTED, 1), ...delivery.handle({ type: "tick" }, 1)];
    expect(brief(again)).toEqual(["+1", "+3", "+4"]);
  });

  it("pauses for everybody after a failure", () => {
    const delivery = connected(2);
    delivery.handle(rows(1, 2, 3), 0);
    expect(brief(delivery.handle(acknowledged(1, 0x97), 0))).toEqual(["?1"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2"]);
    expect(brief(delivery.handle({ type: "tick" }, 999))).toEqual([]);
    expect(brief(delivery.handle({ type: "tick" }, 1_000))).toEqual(["+1", "+3"]);
  });

  it("takes failures of one flight for one failure: the pause does not grow with the window", () => {
    const delivery = connected(5);
    delivery.handle(rows(1, 2, 3, 4, 5), 0);
    for (let position = 1; position <= 5; position++) delivery.handle(acknowledged(position, 0x97), 0);
    expect(brief(delivery.handle({ type: "tick" }, 1_000))).toEqual(["+1", "+2", "+3", "+4", "+5"]);
    for (let position = 1; position <= 5; position++) delivery.handle(acknowledged(position, 0x97), 1_000);
    expect(brief(delivery.handle({ type: "tick" }, 2_999))).toEqual([]);
    expect(brief(delivery.handle({ type: "tick" }, 3_000))).toHaveLength(5);
  });

  it("settles as refused what the broker will never take, where it takes others", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2, 3), 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1", "+2"]);
    expect(brief(delivery.handle(acknowledged(2, 0x99), 0))).toEqual(["!2", "+3"]);
  });

  it("does not send what is longer than the broker takes", () => {
    const delivery = connected(2, 0, { packetBytesMax: 1_000 });
    const effects = delivery.handle({ type: "rows", rows: [row(1, 5_000), row(2, 300), row(3, 5_000)] }, 0);
    expect(brief(effects), "it may be the limit that is wrong").toEqual(["?1", "+2", "?3"]);
    const later = delivery.handle(acknowledged(2), 0);
    expect(brief(later)).toEqual(["=2", "!1", "?3"]);
    expect(later[1]).toMatchObject({ refusedWith: 0x95 });
  });

  it("cuts a connection that owes a PUBACK for too long", () => {
    const delivery = connected();
    delivery.handle(rows(1), 0);
    expect(brief(delivery.handle({ type: "tick" }, 29_999))).toEqual([]);
    expect(brief(delivery.handle({ type: "tick" }, 30_000))).toEqual(["cut"]);
  });
});

describe("a status", () => {
  const urgent = (position: number) => ({ type: "urgent", row: row(position) }) as const;

  it("is the first thing on a new connection, before rows that were in flight", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2), 0);
    delivery.handle(LOST, 0);
    const effects = [...delivery.handle(CONNECTED, 1), ...delivery.handle(urgent(-1), 1)];
    expect(brief(effects)).toEqual(["+-1"]);
    expect(brief(delivery.handle(acknowledged(-1), 1))).toEqual(["=-1", "+1"]);
  });

  it("goes before rows that wait, and does not outlive its connection", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2), 0);
    delivery.handle(urgent(-1), 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1", "+-1"]);
    delivery.handle(LOST, 0);
    expect(brief([...delivery.handle(CONNECTED, 1), ...delivery.handle({ type: "tick" }, 1)])).toEqual(["+2"]);
  });

  it("takes the place of an older one that still waits: the broker keeps the last", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2), 0);
    delivery.handle(urgent(-1), 0);
    delivery.handle(urgent(-2), 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1", "+-2"]);
    expect(brief(delivery.handle(acknowledged(-2), 0))).toEqual(["=-2", "+2"]);
  });

  it("is not sent again after a newer one went out", () => {
    const delivery = connected(2);
    delivery.handle(urgent(-1), 0);
    delivery.handle(urgent(-2), 0);
    delivery.handle(acknowledged(-1, 0x97), 0);
    delivery.handle(acknowledged(-2), 0);
    expect(brief(delivery.handle({ type: "tick" }, 60_000))).toEqual([]);
    expect(delivery.isIdle).toBe(true);
  });
});

describe("a sensor that may not publish", () => {
  const laned = (lane: string, ...positions: readonly number[]) => positions.map((position) => ({ position, bytes: 300, lane }));
  const tick = (delivery: Delivery<Sendable>, atMs: number) => brief(delivery.handle({ type: "tick" }, atMs));

  it("waits a minute, what comes after it too, and the others go on", () => {
    const delivery = connected(1);
    delivery.handle({ type: "rows", rows: [...laned("a", 1), ...laned("b", 2), ...laned("a", 3), ...laned("b", 4)] }, 0);
    expect(brief(delivery.handle(acknowledged(1, 0x87), 0))).toEqual(["?1", "+2"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2", "+4"]);
    expect(brief(delivery.handle(acknowledged(4), 0))).toEqual(["=4"]);
    expect(tick(delivery, 59_999)).toEqual([]);
    expect(tick(delivery, 60_000)).toEqual(["+1"]);
    expect(brief(delivery.handle(acknowledged(1), 60_000))).toEqual(["=1", "+3"]);
  });

  it("does not keep more from being read, nor lets too many be read", () => {
    const delivery = connected(2);
    delivery.handle({ type: "rows", rows: laned("a", 1, 2) }, 0);
    delivery.handle(acknowledged(1, 0x87), 0);
    delivery.handle(acknowledged(2, 0x87), 0);
    expect(delivery.appetite).toBe(2);
    delivery.handle({ type: "rows", rows: laned("a", ...Array.from({ length: 9_997 }, (_, index) => index + 3)) }, 0);
    expect(delivery.appetite).toBeGreaterThan(0);
    delivery.handle({ type: "rows", rows: laned("a", 10_000) }, 0);
    expect(delivery.appetite).toBe(0);
  });

  it("does not keep others waiting, however far they get ahead", () => {
    const delivery = connected(1);
    delivery.handle({ type: "rows", rows: laned("a", 1) }, 0);
    delivery.handle(acknowledged(1, 0x87), 0);
    for (const position of [2, 10_002, 1_000_000]) {
      expect(brief(delivery.handle({ type: "rows", rows: laned("b", position) }, 0))).toEqual([`+${position}`]);
      delivery.handle(acknowledged(position), 0);
    }
    expect(brief(delivery.handle({ type: "tick" }, 60_000))).toEqual(["+1"]);
  });
});

describe("rows that come from before those at hand, to be sent again", () => {
  it("go first, in order, and what is at hand or under way is known", () => {
    const delivery = connected(2);
    delivery.handle(rows(5, 6, 7, 8), 0);
    expect([4, 5, 6, 7, 8, 9].filter((position) => delivery.has(position))).toEqual([5, 6, 7, 8]);
    expect(brief(delivery.handle(rows(2, 3), 0))).toEqual([]);
    expect(brief(delivery.handle(acknowledged(5), 0))).toEqual(["=5", "+2"]);
    expect(brief(delivery.handle(acknowledged(6), 0))).toEqual(["=6", "+3"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2", "+7"]);
    expect(delivery.has(2)).toBe(false);
  });
});

describe("rows that the queue has no more", () => {
  it("are not sent, and those under way are still answered", () => {
    const delivery = connected(2);
    delivery.handle(rows(1, 2, 3, 4, 5), 0);
    expect(brief(delivery.handle({ type: "gone", upTo: 4 }, 0))).toEqual([]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2", "+5"]);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1"]);
  });

  it("make room when they could not be published at all", () => {
    const delivery = connected(2);
    delivery.handle(rows(1, 2, 3), 0);
    expect(brief(delivery.handle({ type: "absent", position: 1 }, 0))).toEqual(["+3"]);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual([]);
  });
});

describe("a message that the broker cannot stand", () => {
  const MALFORMED = { type: "disconnected", cause: { is: "disconnected", reasonCode: 0x99 } } as const;
  const again = (delivery: Delivery<Sendable>) => brief([...delivery.handle(CONNECTED, 0), ...delivery.handle({ type: "tick" }, 0)]);

  it("is found by sending what was under way one by one, and refused with the reason that the broker gives", () => {
    const delivery = connected(3, 0);
    delivery.handle(rows(1, 2, 3, 4), 0);
    expect(brief(delivery.handle(MALFORMED, 0))).toEqual(["connectIn 150000"]);
    expect(again(delivery)).toEqual(["+1"]);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1", "+2"]);
    expect(brief(delivery.handle(MALFORMED, 0))).toEqual(["connectIn 150000"]); // once may be chance
    expect(again(delivery)).toEqual(["+2"]);
    expect(brief(delivery.handle(MALFORMED, 0))).toEqual(["!2", "connectIn 150000"]);
    expect(again(delivery)).toEqual(["+3"]);
    // What was never under suspicion is not slowed down.
    expect(brief(delivery.handle(acknowledged(3), 0))).toEqual(["=3", "+4"]);
  });

  it("is never refused for a connection that breaks without a reason: its sensor waits, others go on", () => {
    const delivery = connected(2, 0);
    delivery.handle({ type: "rows", rows: [1, 2].map((position) => ({ position, bytes: 300, lane: `${position}` })) }, 0);
    for (let breaks = 1; breaks <= 2; breaks++) {
      expect(brief(delivery.handle(LOST, 0))).toHaveLength(1);
      expect(again(delivery)).toEqual(["+1", "+2"]);
    }
    delivery.handle(LOST, 0);
    expect(again(delivery)).toEqual(["+1"]);
    delivery.handle(LOST, 0);
    expect(again(delivery)).toEqual(["+1"]);
    expect(brief(delivery.handle(LOST, 0))).toEqual(["?1", expect.stringContaining("connectIn")]);
    expect(again(delivery)).toEqual(["+2"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2"]);
    expect(brief(delivery.handle({ type: "tick" }, 60_000))).toEqual(["+1"]);
  });

  it("may be a status: then none is said for ten minutes, and rows leave", () => {
    const delivery = connected(2, 0);
    const greeted = (position: number, atMs: number) =>
      brief([...delivery.handle(CONNECTED, atMs), ...delivery.handle({ type: "urgent", row: row(position) }, atMs)]);
    delivery.handle(rows(1), 0);
    delivery.handle(acknowledged(1), 0);
    delivery.handle(MALFORMED, 0);
    expect(greeted(-1, 0)).toEqual(["+-1"]);
    delivery.handle(MALFORMED, 0);
    expect(greeted(-2, 0)).toEqual(["+-2"]);
    expect(brief(delivery.handle(MALFORMED, 0))).toEqual(["?-2", "connectIn 150000"]);
    expect(greeted(-3, 0)).toEqual([]);
    expect(brief(delivery.handle(rows(2), 0))).toEqual(["+2"]);
    expect(brief(delivery.handle({ type: "urgent", row: row(-4) }, 600_000))).toEqual(["+-4"]);
  });
});

describe("a broker that refuses everything", () => {
  /** Answers all that is sent for so long with what `answer` says; gives what was set aside, and how many were taken. */
  function run(delivery: Delivery<Sendable>, all: readonly Sendable[], forMs: number, answer: (position: number, atMs: number) => number) {
    const refused: number[] = [];
    let taken = 0;
    for (let atMs = 0; atMs < forMs; atMs += 500) {
      let due = delivery.handle(atMs === 0 ? { type: "rows", rows: all } : { type: "tick" }, atMs);
      for (let effect = due[0]; effect !== undefined; effect = due[0]) {
        due = due.slice(1);
        if (effect.type === "settled" && effect.refusedWith !== null) refused.push(effect.row.position);
        else if (effect.type === "settled") taken++;
        if (effect.type !== "publish") continue;
        const { position } = effect.row;
        due = [...due, ...delivery.handle(acknowledged(position, answer(position, atMs)), atMs)];
      }
    }
    return { refused, taken };
  }
  const BACKLOG = Array.from({ length: 400 }, (_, index) => ({ position: index + 1, bytes: 300, lane: `s${index % 5}` }));
  const DAY_MS = 24 * 3_600_000;

  it.each([0x80, 0x83, 0x90, 0x95, 0x97, 0x99].map((code) => [code.toString(16), code] as const))(
    "with 0x%s for a day is not taken at its word: everything leaves when it is well again",
    (_code, code) => {
      const delivery = connected(20);
      const { refused, taken } = run(delivery, BACKLOG, DAY_MS + 600_000, (_, atMs) => (atMs < DAY_MS ? code : 0));
      expect([refused, taken]).toEqual([[], 400]);
    },
  );

  it.each([0x80, 0x99].map((code) => [code.toString(16), code] as const))(
    "with 0x%s from one moment on loses one row at most, of those that it never minded",
    (_, code) => {
      const delivery = connected(20);
      const { refused, taken } = run(delivery, BACKLOG, DAY_MS, (position, atMs) => (position > 100 && atMs < DAY_MS / 2 ? code : 0));
      expect(refused.length).toBeLessThanOrEqual(1);
      expect(taken).toBe(400 - refused.length);
    },
  );

  it.each([0x80, 0x99].map((code) => [code.toString(16), code] as const))(
    "is told from a row that it cannot stand: 0x%s for that alone sets it aside, and nothing else",
    (_, code) => {
      const delivery = connected(5);
      const { refused, taken } = run(delivery, BACKLOG, DAY_MS, (position) => (position === 7 ? code : 0));
      expect([refused, taken]).toEqual([[7], 399]);
    },
  );

  it.each([0x80, 0x95])("is told from some rows of one sensor, also where they follow each other: 0x%s", (code) => {
    const delivery = connected(5);
    const poison = [7, 8, 9, 30];
    const laned = BACKLOG.map((one) => ({ ...one, lane: "a" }));
    const { refused, taken } = run(delivery, laned, DAY_MS, (position) => (poison.includes(position) ? code : 0));
    expect([refused.toSorted((a, b) => a - b), taken]).toEqual([poison, 396]);
  });

  it("is told from a sensor that it cannot stand, also when that says the most", () => {
    const delivery = connected(5);
    const laned = Array.from({ length: 400 }, (_, index) => ({ position: index + 1, bytes: 300, lane: index % 10 === 0 ? "b" : "a" }));
    const { refused, taken } = run(delivery, laned, DAY_MS, (position) => ((position - 1) % 10 === 0 ? 0 : 0x99));
    expect([refused.length, taken]).toEqual([360, 40]);
  });
});

describe("a limit of messages a second", () => {
  it("lets a second's worth go at once, and then one at a time, and says when", () => {
    const delivery = new Delivery<Sendable>({ ...LIMITS, inFlightMax: 10, perSecond: 4 }, () => 0);
    delivery.handle(CONNECTED, 0);
    const first = delivery.handle(rows(1, 2, 3, 4, 5, 6), 0);
    expect(brief(first)).toEqual(["+1", "+2", "+3", "+4", "tickIn"]);
    expect(first.at(-1)).toEqual({ type: "tickIn", delayMs: 250 });
    expect(brief(delivery.handle({ type: "tick" }, 249))).toEqual(["tickIn"]);
    expect(brief(delivery.handle({ type: "tick" }, 250))).toEqual(["+5", "tickIn"]);
    expect(brief(delivery.handle({ type: "urgent", row: row(-1) }, 250))).toContain("+-1");
  });

  it("is kept over any second of a long drain", () => {
    const delivery = new Delivery<Sendable>({ ...LIMITS, inFlightMax: 5, perSecond: 7 }, () => 0);
    delivery.handle(CONNECTED, 0);
    const sentAt: number[] = [];
    let next = 1;
    let due = delivery.handle(rows(...Array.from({ length: 20 }, () => next++)), 0);
    for (let nowMs = 0; nowMs < 20_000; nowMs++) {
      for (let effect = due[0]; effect !== undefined; effect = due[0]) {
        due = due.slice(1);
        if (effect.type !== "publish") continue;
        sentAt.push(nowMs);
        due = [...due, ...delivery.handle(acknowledged(effect.row.position), nowMs)];
        if (delivery.appetite > 0) due = [...due, ...delivery.handle(rows(next++), nowMs)];
      }
      due = delivery.handle({ type: "tick" }, nowMs + 1);
    }
    expect(sentAt.length).toBeGreaterThan(7 * 19);
    for (const [index, atMs] of sentAt.entries()) {
      const inTheNextSecond = sentAt.slice(index).filter((other) => other < atMs + 1_000).length;
      expect(inTheNextSecond).toBeLessThanOrEqual(2 * 7); // a second's worth that was saved up, and one that came
    }
    expect(sentAt.filter((atMs) => atMs >= 1_000 && atMs < 11_000).length).toBeLessThanOrEqual(71);
  });
});
