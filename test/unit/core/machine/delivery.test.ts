import { describe, expect, it } from "vitest";
import { Delivery, type DeliveryEffect, reasonName, type Sendable, verdictOf } from "../../../../src/core/machine/delivery.ts";

const row = (position: number, bytes = 300): Sendable => ({ position, bytes });
const rows = (...positions: readonly number[]) => ({ type: "rows", rows: positions.map((position) => row(position)) }) as const;
const acknowledged = (position: number, reasonCode = 0) => ({ type: "acknowledged", position, reasonCode }) as const;
const CONNECTED = { type: "connected", receiveMaximum: 65_535, packetBytesMax: null } as const;

/** Effects in short: `+3` is a publish of row 3, `=3` settled, `!3` refused for good. */
function brief(effects: readonly DeliveryEffect<Sendable>[]): readonly string[] {
  return effects.map((effect) => {
    if (effect.type === "publish") return `+${effect.row.position}`;
    if (effect.type === "settled") return `${effect.refusedWith === null ? "=" : "!"}${effect.row.position}`;
    if (effect.type === "failure") return `?${effect.position}`;
    return effect.type === "connectIn" ? `connectIn ${effect.delayMs}` : effect.type;
  });
}

interface Granted {
  readonly receiveMaximum?: number;
  readonly packetBytesMax?: number;
}

function connected(inFlightMax = 2, jitter = 0.999_999, granted: Granted = {}) {
  const delivery = new Delivery<Sendable>({ inFlightMax, ackTimeoutMs: 30_000 }, () => jitter);
  delivery.handle({ ...CONNECTED, ...granted }, 0);
  return delivery;
}

describe("verdictOf", () => {
  it.each([
    [0x00, "settled"], // success
    [0x10, "settled"], // no matching subscribers
    [0x80, "retry"], // unspecified error
    [0x83, "retry"], // implementation specific error
    [0x87, "not-authorised"],
    [0x90, "refused"], // topic name invalid
    [0x91, "retry"], // packet identifier in use
    [0x95, "refused"], // packet too large
    [0x97, "retry"], // quota exceeded
    [0x99, "refused"], // payload format invalid
    [0x01, "settled"], // a code below 0x80 is a success, known or not
    [0x7f, "settled"],
    [0xff, "retry"],
  ])("of reason code %i is %s", (reasonCode, verdict) => {
    expect(verdictOf(reasonCode, 0)).toBe(verdict);
  });

  it.each([0x80, 0x83])("gives up on %i after ten failures: it may be about this very message", (reasonCode) => {
    expect(verdictOf(reasonCode, 8)).toBe("retry");
    expect(verdictOf(reasonCode, 9)).toBe("refused");
  });

  it.each([0x87, 0x97])("never gives up on %i", (reasonCode) => {
    expect(verdictOf(reasonCode, 1_000)).not.toBe("refused");
  });
});

it("names reason codes so that an operator can look them up", () => {
  expect([reasonName(0x87), reasonName(0x95), reasonName(0xf1), reasonName(0x05)]).toEqual([
    "not-authorised",
    "packet-too-large",
    "0xf1",
    "0x05",
  ]);
});

describe("Delivery", () => {
  it("asks for a connection, and waits 1 s to 5 min between attempts", () => {
    const delivery = new Delivery<Sendable>({ inFlightMax: 2, ackTimeoutMs: 30_000 }, () => 0.999_999);
    expect(brief(delivery.handle({ type: "connectDue" }, 0))).toEqual(["connect"]);
    const waits = Array.from({ length: 11 }, () => brief(delivery.handle({ type: "disconnected", pauseMs: 0 }, 0)).join());
    expect(waits.slice(0, 3)).toEqual(["connectIn 1000", "connectIn 2000", "connectIn 4000"]);
    expect(waits.at(-1)).toBe("connectIn 300000");
  });

  it("starts its backoff anew after a connection that held for 30 s", () => {
    const delivery = connected();
    for (let attempt = 0; attempt < 5; attempt++) delivery.handle({ type: "disconnected", pauseMs: 0 }, 0);
    delivery.handle(CONNECTED, 100_000);
    expect(brief(delivery.handle({ type: "disconnected", pauseMs: 0 }, 129_999))).toEqual(["connectIn 32000"]);
    delivery.handle(CONNECTED, 200_000);
    expect(brief(delivery.handle({ type: "disconnected", pauseMs: 0 }, 230_000))).toEqual(["connectIn 1000"]);
  });

  it("leaves a broker alone for as long as it is told", () => {
    expect(brief(connected().handle({ type: "disconnected", pauseMs: 180_000 }, 0))).toEqual(["connectIn 180000"]);
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
    delivery.handle({ type: "disconnected", pauseMs: 0 }, 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual([]);
    const again = [...delivery.handle(CONNECTED, 1), ...delivery.handle({ type: "tick" }, 1)];
    expect(brief(again)).toEqual(["+1", "+3", "+4"]);
  });

  it("pauses for everybody after a failure, for as long as its kind asks", () => {
    const delivery = connected(2);
    delivery.handle(rows(1, 2, 3), 0);
    expect(brief(delivery.handle(acknowledged(1, 0x97), 0))).toEqual(["?1"]);
    expect(brief(delivery.handle(acknowledged(2), 0))).toEqual(["=2"]);
    expect(brief(delivery.handle({ type: "tick" }, 999))).toEqual([]);
    expect(brief(delivery.handle({ type: "tick" }, 1_000))).toEqual(["+1", "+3"]);
    delivery.handle(acknowledged(1, 0x87), 1_000);
    expect(brief(delivery.handle({ type: "tick" }, 60_999))).toEqual(["cut"]); // row 3 waits for its PUBACK since 1,000
    delivery.handle(acknowledged(3), 60_999);
    expect(brief(delivery.handle({ type: "tick" }, 61_000))).toEqual(["+1"]);
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

  it("settles as refused what the broker will never take", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2), 0);
    expect(brief(delivery.handle(acknowledged(1, 0x99), 0))).toEqual(["!1", "+2"]);
  });

  it("does not send what is longer than the broker takes", () => {
    const delivery = connected(2, 0, { packetBytesMax: 1_000 });
    const effects = delivery.handle({ type: "rows", rows: [row(1, 5_000), row(2, 300)] }, 0);
    expect(brief(effects)).toEqual(["!1", "+2"]);
    expect(effects[0]).toMatchObject({ refusedWith: 0x95 });
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
    delivery.handle({ type: "disconnected", pauseMs: 0 }, 0);
    const effects = [...delivery.handle(CONNECTED, 1), ...delivery.handle(urgent(-1), 1)];
    expect(brief(effects)).toEqual(["+-1"]);
    expect(brief(delivery.handle(acknowledged(-1), 1))).toEqual(["=-1", "+1"]);
  });

  it("goes before rows that wait, and does not outlive its connection", () => {
    const delivery = connected(1);
    delivery.handle(rows(1, 2), 0);
    delivery.handle(urgent(-1), 0);
    expect(brief(delivery.handle(acknowledged(1), 0))).toEqual(["=1", "+-1"]);
    delivery.handle({ type: "disconnected", pauseMs: 0 }, 0);
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
