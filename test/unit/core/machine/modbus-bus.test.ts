import { describe, expect, it } from "vitest";
import { lineTiming } from "../../../../src/core/framing/modbus-rtu.ts";
import {
  type Bus,
  CLOSED_BUS,
  type ModbusEffect,
  type ModbusEvent,
  QUEUE_LENGTH_MAX,
  stepModbus,
  wakeAtMs,
} from "../../../../src/core/machine/modbus-bus.ts";

const LINE = lineTiming({ baudRate: 9_600, parity: "even" });
const TIMEOUT_MS = 500;
const REGISTERS = { table: "holding", address: 0, count: 2 } as const;
/** Eight bytes of a question and nine of its answer, of 11 bits at 9,600 baud. */
const WIRE_MS = 17 * LINE.characterMs;

/** A bus that is driven by hand. */
class Rig {
  bus: Bus = CLOSED_BUS;
  atMs = 0;
  readonly effects: ModbusEffect[] = [];

  constructor(...units: readonly number[]) {
    this.tell({ type: "opened", line: LINE });
    for (const unit of units) this.tell({ type: "attach", unit });
    this.atMs = 100;
  }

  tell(event: ModbusEvent extends infer E ? (E extends ModbusEvent ? Omit<E, "atMs"> : never) : never): readonly ModbusEffect[] {
    const { bus, effects } = stepModbus(this.bus, { ...event, atMs: this.atMs } as ModbusEvent);
    this.bus = bus;
    this.effects.push(...effects);
    return effects;
  }

  ask(unit: number, tag = "a", timeoutMs = TIMEOUT_MS): readonly string[] {
    return this.tell({ type: "ask", question: { unit, tag, registers: REGISTERS, timeoutMs } }).map(text);
  }

  /** Lets time pass until the bus wants to be woken, and wakes it. */
  wake(): readonly string[] {
    this.atMs = wakeAtMs(this.bus) ?? this.atMs;
    return this.tell({ type: "due" }).map(text);
  }

  /** The unit that is asked answers after so long. */
  answer(afterMs = 20, code: number | null = null): readonly string[] {
    this.atMs += afterMs;
    this.tell({ type: "heard" });
    return this.tell({ type: "answered", code }).map(text);
  }
}

function text(effect: ModbusEffect): string {
  if (effect.type === "restart") return "restart";
  const { unit, tag } = effect.question;
  if (effect.type !== "noReply") return `${effect.type} ${unit}${tag}`;
  return `noReply ${unit}${tag} ${effect.reason}${effect.code === undefined ? "" : ` ${effect.code}`}`;
}

describe("a bus", () => {
  it("asks one question at a time, and the next one when the gap after the answer is over", () => {
    const rig = new Rig(1, 2);
    expect(rig.ask(1)).toEqual(["send 1a"]);
    expect(rig.ask(2)).toEqual([]);
    expect(rig.answer()).toEqual(["reply 1a"]);
    const heardAtMs = rig.atMs;
    expect(rig.wake()).toEqual(["send 2a"]);
    expect(rig.atMs).toBe(heardAtMs + LINE.gapMs);
  });

  it("gives units their turn in the order of their numbers, however many questions one of them has", () => {
    const rig = new Rig(3, 1, 2);
    for (const tag of ["a", "b", "c"]) rig.ask(3, tag);
    rig.ask(1);
    rig.ask(2);
    const order: string[] = [];
    for (let turn = 0; turn < 5; turn++) order.push(...rig.answer(), ...rig.wake());
    expect(order.filter((line) => line.startsWith("reply"))).toEqual(["reply 3a", "reply 1a", "reply 2a", "reply 3b", "reply 3c"]);
  });

  it("counts the timeout from when the question is on the line, and lets the answer the time it takes there", () => {
    const rig = new Rig(1);
    rig.ask(1);
    expect(wakeAtMs(rig.bus)).toBeCloseTo(100 + WIRE_MS + TIMEOUT_MS);
    rig.atMs = 100 + WIRE_MS + TIMEOUT_MS - 0.1;
    expect(rig.tell({ type: "due" })).toEqual([]);
    expect(rig.wake()).toEqual(["noReply 1a timeout"]);
  });

  it("tells what else waits for a unit that does not answer, so that it costs the others one timeout", () => {
    const rig = new Rig(1, 2);
    for (const tag of ["a", "b", "c"]) rig.ask(1, tag);
    rig.ask(2);
    expect(rig.wake()).toEqual(["noReply 1a timeout", "noReply 1b busy", "noReply 1c busy", "send 2a"]);
  });

  it("leaves a unit that did not answer alone: four timeouts at least, doubling to ten seconds", () => {
    const rig = new Rig(1);
    const rests: number[] = [];
    for (let round = 0; round < 6; round++) {
      rig.ask(1);
      rig.wake();
      const fromMs = rig.atMs;
      expect(rig.ask(1)).toEqual(["noReply 1a busy"]);
      rig.atMs = rig.bus.units.get(1)?.restUntilMs ?? 0;
      rests.push(Math.round(rig.atMs - fromMs));
    }
    expect(rests).toEqual([2_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("asks a unit again as soon as its late answer has come, and takes that for nothing", () => {
    const rig = new Rig(1, 2);
    rig.ask(1);
    rig.wake();
    expect(rig.ask(2)).toEqual(["send 2a"]);
    rig.atMs += 50;
    expect(rig.tell({ type: "stray", unit: 1 })).toEqual([]);
    expect(rig.answer()).toEqual(["reply 2a"]);
    rig.atMs += LINE.gapMs;
    expect(rig.ask(1)).toEqual(["send 1a"]);
  });

  it("forgets failures with the first answer; an exception is one", () => {
    const rig = new Rig(1);
    rig.ask(1);
    rig.wake();
    rig.atMs += 10_000;
    rig.ask(1);
    expect(rig.answer(20, 2)).toEqual(["noReply 1a exception 2"]);
    expect(rig.bus.units.get(1)).toMatchObject({ failures: 0, owes: false });
    rig.atMs += LINE.gapMs;
    expect(rig.ask(1)).toEqual(["send 1a"]);
  });

  it("waits for silence while others babble, and gives the question back when there is none", () => {
    const rig = new Rig(1);
    rig.tell({ type: "heard" });
    expect(rig.ask(1)).toEqual([]);
    for (const untilMs = rig.atMs + TIMEOUT_MS; rig.atMs < untilMs - 2; rig.atMs += 2) {
      rig.tell({ type: "heard" });
      expect(rig.tell({ type: "due" })).toEqual([]);
    }
    rig.tell({ type: "heard" });
    expect(rig.wake()).toEqual(["noReply 1a busy"]);
    expect(rig.bus.units.get(1)?.failures, "that was not its fault").toBe(0);
  });

  it("keeps at most so many questions of one unit", () => {
    const rig = new Rig(1, 2);
    rig.ask(2);
    for (let index = 0; index < QUEUE_LENGTH_MAX; index++) expect(rig.ask(1, `q${index}`)).toEqual([]);
    expect(rig.ask(1, "more")).toEqual(["noReply 1more busy"]);
  });

  it("owns the line until an answer comes for somebody who has left, and tells nobody", () => {
    const rig = new Rig(1, 2);
    rig.ask(1);
    rig.ask(1, "b");
    rig.tell({ type: "detach", unit: 1 });
    rig.tell({ type: "attach", unit: 1 });
    expect(rig.ask(2)).toEqual([]);
    expect(rig.answer()).toEqual([]);
    expect(rig.wake()).toEqual(["send 2a"]);
  });

  it("does not send what was not sent yet when its sensor leaves", () => {
    const rig = new Rig(1);
    rig.tell({ type: "heard" });
    rig.ask(1);
    rig.tell({ type: "detach", unit: 1 });
    expect(wakeAtMs(rig.bus)).toBeNull();
  });

  it("gives the turn to the next when its sensor leaves before its question is sent", () => {
    const rig = new Rig(1, 2);
    rig.ask(2, "b");
    rig.answer();
    expect(rig.ask(1), "the gap is not over").toEqual([]);
    rig.ask(2, "c");
    rig.tell({ type: "detach", unit: 1 });
    expect(rig.wake()).toEqual(["send 2c"]);
  });

  it("refuses who is not attached, and everybody while the line is closed", () => {
    const rig = new Rig(1);
    expect(rig.ask(9)).toEqual(["noReply 9a busy"]);
    rig.tell({ type: "closed" });
    expect(rig.ask(1)).toEqual(["noReply 1a busy"]);
    expect(wakeAtMs(rig.bus)).toBeNull();
  });

  it("leaves the unit alone whose question was out when the line closed: its answer may come when it is open again", () => {
    const rig = new Rig(1, 2);
    rig.ask(1);
    rig.ask(2);
    rig.tell({ type: "closed" });
    rig.tell({ type: "opened", line: LINE });
    for (const unit of [1, 2]) rig.tell({ type: "attach", unit });
    rig.atMs += 100;
    expect(rig.ask(1)).toEqual(["noReply 1a busy"]);
    expect(rig.ask(2), "the other was not asked yet, and owes nothing").toEqual(["send 2a"]);
    rig.answer();
    rig.atMs += 4 * TIMEOUT_MS;
    expect(rig.ask(1)).toEqual(["send 1a"]);
  });

  it("opens the line anew when nobody has answered for a minute", () => {
    const rig = new Rig(1, 2);
    const restarts: number[] = [];
    for (let second = 0; second < 140; second++) {
      rig.atMs = Math.max(rig.atMs, second * 1_000);
      for (const unit of [1, 2]) rig.ask(unit);
      for (let step = 0; step < 4 && wakeAtMs(rig.bus) !== null; step++) if (rig.wake().includes("restart")) restarts.push(second);
    }
    expect(restarts).toHaveLength(2);
    expect(restarts[0]).toBeGreaterThanOrEqual(60);
  });

  /** Unit 1 is asked each second, unit 2 once; who answers is said. */
  function hour(rig: Rig, answers: (unit: number, second: number) => boolean): readonly number[] {
    const restarts: number[] = [];
    const begunMs = rig.atMs;
    const pass = (second: number): void => {
      const unit = rig.bus.exchange?.question.unit;
      if (unit !== undefined && answers(unit, second)) rig.answer();
      else if (wakeAtMs(rig.bus) !== null && rig.wake().includes("restart")) {
        restarts.push(second);
        for (const type of ["closed", "opened"] as const) rig.tell(type === "opened" ? { type, line: LINE } : { type });
        for (const attached of [1, 2]) rig.tell({ type: "attach", unit: attached });
        rig.atMs += 5_000;
        rig.ask(2);
      }
    };
    for (let second = 0; second < 1_800; second++) {
      rig.atMs = Math.max(rig.atMs, begunMs + second * 1_000);
      if (second === 0) rig.ask(2);
      rig.ask(1);
      for (let step = 0; step < 4; step++) pass(second);
    }
    return restarts;
  }

  it("does not wait for a unit that is asked once an hour", () => {
    const restarts = hour(new Rig(1, 2), (_, second) => second < 100);
    expect(restarts[0]).toBeGreaterThanOrEqual(159);
    expect(restarts[0]).toBeLessThan(180);
  });

  it("does so once for a unit that dies alone: the other answers, and the dead one is no reason any more", () => {
    const restarts = hour(new Rig(1, 2), (unit, second) => unit === 2 || second < 100);
    expect(restarts.map((second) => second < 180)).toEqual([true]);
  });

  it("takes no unit for a reason that never answered", () => {
    expect(hour(new Rig(1, 2), (unit) => unit === 2)).toEqual([]);
  });

  it("again and again where nobody answers at all", () => {
    expect(hour(new Rig(1, 2), () => false).length).toBeGreaterThan(20);
  });

  it("does not when one of them lives", () => {
    const rig = new Rig(1, 2);
    for (let second = 0; second < 200; second++) {
      rig.atMs = Math.max(rig.atMs, second * 1_000);
      if (rig.ask(1).length > 0 && rig.bus.exchange?.question.unit === 1) rig.answer();
      rig.atMs += LINE.gapMs;
      rig.ask(2);
      rig.wake();
      rig.wake();
    }
    expect(rig.effects.map(text)).not.toContain("restart");
  });
});
