import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../src/adapters/driver-loader.ts";
import { policiesOf } from "../../src/core/anonymise/policy.ts";
import { findQuantity, stricter } from "../../src/core/reading/quantity.ts";
import { monotonicMs } from "../../src/core/units/time.ts";
import type { BusEvent, Driver } from "../../src/driver-api/driver.ts";
import { type Answer, recordingSink } from "../../src/driver-api/golden.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");

async function load(name: string): Promise<Driver> {
  const loaded = await loadDriver(name, [{ path: DRIVERS }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  return loaded.driver;
}

/** An edge that the kernel saw at `stampMs` and the runtime at `seenMs`; golden files have one time for both. */
function edge(line: string, rising: boolean, stampMs: number, seenMs = stampMs): BusEvent {
  return { type: "edge", atMs: monotonicMs(seenMs), line, rising, atNs: BigInt(stampMs) * 1_000_000n };
}

const opened = (high: boolean): BusEvent => ({ type: "opened", atMs: monotonicMs(0), settings: { lines: { line: { high } } } });
const OPENED_LOOPS: BusEvent = { type: "opened", atMs: monotonicMs(0), settings: {} };

/** What the session answers to the last of these events. */
function lastAnswers(driver: Driver, options: unknown, events: readonly BusEvent[]): Answer[] {
  let answers: Answer[] = [];
  const session = driver.start(driver.options.parse(options));
  for (const event of events) {
    answers = [];
    session.handle(
      event,
      recordingSink((answer) => answers.push(answer)),
    );
  }
  return answers;
}

describe("bicycle-loop", () => {
  it("tells the direction from the stamps of the kernel, when the lines are told out of order", async () => {
    const driver = await load("bicycle-loop");
    const answers = lastAnswers(driver, {}, [OPENED_LOOPS, edge("second", false, 10_240, 10_300), edge("first", false, 10_000, 10_301)]);
    expect(answers).toEqual([{ call: "passage", channel: "passages", passage: { direction: "towards" } }]);
  });

  it("holds off from the later of the two closures, whichever was told last", async () => {
    const driver = await load("bicycle-loop");
    const pair = [OPENED_LOOPS, edge("second", false, 10_240), edge("first", false, 10_000, 10_241)];
    const next = (stampMs: number) => [...pair, edge("first", false, stampMs), edge("second", false, stampMs + 240)];
    expect(lastAnswers(driver, {}, next(10_639))).toEqual([]);
    expect(lastAnswers(driver, {}, next(10_640))).toHaveLength(1);
  });

  it("counts a day of 10,000 cyclists one by one, each with two wheels on each loop", async () => {
    const driver = await load("bicycle-loop");
    const session = driver.start(driver.options.parse({}));
    const seen = { towards: 0, away: 0 };
    const sink = recordingSink((answer) => {
      if (answer.call === "passage" && answer.passage.direction !== undefined) seen[answer.passage.direction]++;
    });
    for (let cyclist = 0; cyclist < 10_000; cyclist++) {
      const atMs = 1_000 + cyclist * 2_000;
      const [one, other] = cyclist % 4 === 0 ? ["second", "first"] : ["first", "second"];
      for (const [line = "", afterMs = 0] of [
        [one, 0],
        [other, 240],
        [one, 252],
        [other, 492],
      ] as [string, number][]) {
        session.handle(edge(line, false, atMs + afterMs), sink);
        session.handle(edge(line, true, atMs + afterMs + 100), sink);
      }
    }
    expect(seen).toEqual({ towards: 7_500, away: 2_500 });
  });
});

describe("parking-bay", () => {
  it("counts the hold time from the edge itself, however late it was seen", async () => {
    const driver = await load("parking-bay");
    const events = [opened(true), { type: "timer", atMs: monotonicMs(10_000), name: "hold" } as const];
    expect(lastAnswers(driver, {}, [...events, edge("line", false, 20_000, 24_000)])).toEqual([
      { call: "timer", name: "hold", afterMs: 6_000 },
    ]);
    expect(lastAnswers(driver, {}, [...events, edge("line", false, 20_000, 30_000)])).toContainEqual(
      expect.objectContaining({ call: "reading", channel: "state", value: 1 }),
    );
  });
});

describe("rain-gauge", () => {
  it("tells bounce by the stamps of the kernel, not by when edges were seen", async () => {
    const driver = await load("rain-gauge");
    const options = { mmPerTip: 0.2794 };
    const qualityOf = (events: readonly BusEvent[]) =>
      lastAnswers(driver, options, events).map((answer) => answer.call === "reading" && answer.detail.quality);
    const first = edge("line", false, 10_000, 12_000);
    expect(qualityOf([opened(true), first, edge("line", false, 11_500, 12_001)])).toEqual([undefined]);
    expect(qualityOf([opened(true), first, edge("line", false, 10_050, 12_500)])).toEqual(["suspect"]);
  });

  it.each([0, -0.2794, 11, "0.2794"])("refuses %s mm per tip", async (mmPerTip) => {
    expect((await load("rain-gauge")).options.safeParse({ mmPerTip }).success).toBe(false);
  });
});

describe("s0-meter", () => {
  it("calls its channel identifying, whatever the vocabulary says", async () => {
    const driver = await load("s0-meter");
    expect(driver.channels(driver.options.parse({ pulsesPerKwh: 1_000 })).map(({ sensitivity }) => sensitivity)).toEqual(["identifying"]);
  });

  it("adds 375 pulses of a meter with 375 imp/kWh up to one kilowatt-hour", async () => {
    const driver = await load("s0-meter");
    let sum = 0;
    const session = driver.start(driver.options.parse({ pulsesPerKwh: 375 }));
    const sink = recordingSink((answer) => {
      if (answer.call === "reading" && answer.value !== null && answer.detail.quality === undefined) sum += answer.value;
    });
    for (let pulse = 1; pulse <= 375; pulse++) session.handle(edge("line", false, pulse * 1_000), sink);
    expect(sum.toFixed(6)).toBe("1.000000");
  });
});

describe("what the drivers on GPIO let leave", () => {
  it.each([
    ["rain-gauge", { mmPerTip: 0.2794 }, ["open", "withheld"]],
    ["anemometer", {}, ["open", "withheld"]],
    ["s0-meter", { pulsesPerKwh: 1_000 }, ["withheld"]],
    ["pir", {}, ["withheld"]],
    ["parking-bay", {}, ["withheld"]],
    ["bicycle-loop", {}, ["withheld", "noised", "minimum-count"]],
  ])("%s", async (name, options, policies) => {
    const driver = await load(name);
    for (const { quantity, sensitivity } of driver.channels(driver.options.parse(options))) {
      const known = findQuantity(quantity);
      expect(known).not.toBeNull();
      if (known !== null) expect(policiesOf(known.kind, stricter(known.floor, sensitivity))).toEqual(policies);
    }
  });

  it.each(["pir", "parking-bay"])("%s: the README asks for both edges", (name) => {
    expect(readFileSync(join(DRIVERS, name, "README.md"), "utf8")).toMatch(/^ {4}gpio: \{.*edge: both.*\}$/m);
  });
});
