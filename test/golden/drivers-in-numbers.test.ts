import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../src/adapters/driver-loader.ts";
import { policiesOf } from "../../src/core/anonymise/policy.ts";
import { findQuantity, stricter } from "../../src/core/reading/quantity.ts";
import { monotonicMs } from "../../src/core/units/time.ts";
import { driverApi } from "../../src/driver-api/api.ts";
import type { BusEvent, Driver } from "../../src/driver-api/driver.ts";
import { type Answer, parseGolden, recordingSink } from "../../src/driver-api/golden.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");

async function load(name: string): Promise<Driver> {
  const loaded = await loadDriver(name, [{ path: DRIVERS }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  return loaded.driver;
}

/** Plays events and fires every timer that is set, until `untilMs`. */
function play(driver: Driver, options: unknown, events: readonly BusEvent[], untilMs: number): Answer[] {
  const answers: Answer[] = [];
  const timers = new Map<string, number>();
  const session = driver.start(driver.options.parse(options));
  const tell = (event: BusEvent): void => {
    const sink = recordingSink((answer) => {
      answers.push(answer);
      if (answer.call !== "timer") return;
      if (answer.afterMs === null) timers.delete(answer.name);
      else timers.set(answer.name, event.atMs + answer.afterMs);
    });
    session.handle(event, sink);
  };
  const fireUntil = (atMs: number): void => {
    for (;;) {
      const [next] = [...timers].filter(([, dueMs]) => dueMs <= atMs).sort((a, b) => a[1] - b[1]);
      if (next === undefined) return;
      timers.delete(next[0]);
      tell({ type: "timer", atMs: monotonicMs(next[1]), name: next[0] });
    }
  };
  for (const event of events) {
    fireUntil(event.atMs);
    tell(event);
  }
  fireUntil(untilMs);
  return answers;
}

function capture(driver: string, name: string): { options: unknown; events: BusEvent[] } {
  const result = parseGolden(readFileSync(join(DRIVERS, driver, "captures", name), "utf8"));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return { options: result.file.options, events: result.file.steps.map(({ event }) => event) };
}

const readings = (answers: readonly Answer[], channel: string): number[] =>
  answers.flatMap((answer) => (answer.call === "reading" && answer.channel === channel && answer.value !== null ? [answer.value] : []));
const passages = (answers: readonly Answer[]) => answers.flatMap((answer) => (answer.call === "passage" ? [answer.passage] : []));
const OPENED: BusEvent = { type: "opened", atMs: monotonicMs(0), settings: {} };

describe("captures", () => {
  it("ops243: the street of the capture has 50 objects, 26 of them towards the radar", async () => {
    const { options, events } = capture("ops243", "street.txt");
    const seen = passages(play(await load("ops243"), options, events, 130_000));
    expect(seen.length).toBe(50);
    expect(seen.filter(({ direction }) => direction === "towards").length).toBe(26);
    expect(seen.every(({ speedKmh = 0 }) => speedKmh > 8 && speedKmh < 60)).toBe(true);
  });

  it("tfmini: nine pass on the path of the capture, and the state tells each arrival and each leaving", async () => {
    const { options, events } = capture("tfmini", "path.txt");
    const answers = play(await load("tfmini"), options, events, 0);
    expect(passages(answers)).toEqual(Array.from({ length: 9 }, () => ({})));
    expect(readings(answers, "presence")).toEqual([0, ...Array.from({ length: 9 }, () => [1, 0]).flat()]);
  });

  it("a02yyuw: the water of the capture rises by 3 cm", async () => {
    const { options, events } = capture("a02yyuw", "quay.txt");
    const levels = readings(play(await load("a02yyuw"), options, events, 0), "level");
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(levels.length).toBe(300);
    // The means lie 24 mm of rise apart; waves of 8 mm average out to within 5 mm.
    expect(mean(levels.slice(-60)) - mean(levels.slice(0, 60))).toBeCloseTo(0.024, 2);
  });

  it.each([
    ["mhz19", 5],
    ["senseair-s8", 4],
  ])("%s: the capture holds a value for each question, one every %d s", async (name, everyS) => {
    const { options, events } = capture(name, "street.txt");
    const answers = play(await load(name), options, events, 60 * everyS * 1_000);
    const asked = answers.filter((answer) => answer.call === "write" && answer.data.length > 1).length;
    expect(readings(answers, "co2").length).toBe(60);
    expect(Math.abs(asked - 60)).toBeLessThanOrEqual(1);
  });

  it.each([
    ["sps30", "street.txt", "pm25", 120],
    ["sds011", "street.txt", "pm25", 120],
    ["pms5003", "street.txt", "pm10", 120],
    ["json-lines", "sound-meter.txt", "laeq", 120],
  ])("%s: %s holds a value of %s every second", async (name, file, channel, count) => {
    const { options, events } = capture(name, file);
    expect(readings(play(await load(name), options, events, 0), channel).length).toBe(count);
  });
});

describe("pulse-counter", () => {
  it.each([
    ["rainfall", 0.2794, 10_000, 2794],
    ["rainfall", 0.1, 12_345, 1234.5],
    ["street_lighting_energy", 0.001, 99_999, 99.999],
  ])("%s of %d: the sum of %d pulses is exact to the declared resolution", async (quantity, perPulse, pulses, sum) => {
    const driver = await load("pulse-counter");
    const edges = Array.from({ length: pulses }, (_, index): BusEvent => {
      return { type: "edge", atMs: monotonicMs(index), line: "line", rising: false, atNs: BigInt(index) * 1_000_000n };
    });
    const values = readings(play(driver, { quantity, perPulse }, [OPENED, ...edges], 0), quantity);
    const total = values.reduce((a, b) => a + b, 0);
    const resolution = driver.channels(driver.options.parse({ quantity, perPulse }))[0]?.resolution ?? 0;
    expect(values.length).toBe(pulses);
    expect(total.toFixed(Math.round(-Math.log10(resolution)))).toBe(sum.toFixed(Math.round(-Math.log10(resolution))));
  });

  it.each(["passages", "pm25", "nothing"])("refuses %s, which is no counter", async (quantity) => {
    expect((await load("pulse-counter")).options.safeParse({ quantity, perPulse: 1 }).success).toBe(false);
  });
});

describe("json-lines", () => {
  it.each([
    ["no fields", {}],
    ["a unit that the quantity does not have", { t: { key: "t", quantity: "temperature", unit: "[degF]" } }],
    ["an unknown quantity without a unit", { x: { key: "x", quantity: "radon" } }],
    ["passages, which are not one number in a line", { p: { key: "p", quantity: "passages" } }],
    ["a counter that does not say what it counts", { r: { key: "r", quantity: "rainfall" } }],
    ["a gauge that says it counts", { t: { key: "t", quantity: "temperature", counts: "total" } }],
    ["an upside-down range", { t: { key: "t", quantity: "temperature", range: [10, -10] } }],
    ["a channel that is no id", { "T 1": { key: "t", quantity: "temperature" } }],
  ])("refuses %s", async (_, fields) => {
    expect((await load("json-lines")).options.safeParse({ fields }).success).toBe(false);
  });

  it("takes the sensitivity from the quantity, and leaves an unknown one to the node file", async () => {
    const driver = await load("json-lines");
    const options = {
      fields: {
        t: { key: "t", quantity: "temperature" },
        w: { key: "w", quantity: "power" },
        n: { key: "n", quantity: "radon", unit: "Bq/m3" },
      },
    };
    const channels = driver.channels(driver.options.parse(options));
    expect(channels.map(({ unit, sensitivity }) => [unit, sensitivity])).toEqual([
      ["Cel", "environmental"],
      ["W", "identifying"],
      ["Bq/m3", "environmental"],
    ]);
  });
});

describe("sdi12", () => {
  const channel = { address: "0", value: 1, quantity: "temperature" };

  it.each([
    ["no channels", {}],
    ["an address of two letters", { t: { ...channel, address: "10" } }],
    ["a measurement that is none", { t: { ...channel, measurement: "R1" } }],
    ["a value before the first", { t: { ...channel, value: 0 } }],
    ["passages", { t: { ...channel, quantity: "passages" } }],
    ["a counter that does not say what it counts", { t: { ...channel, quantity: "rainfall" } }],
  ])("refuses %s", async (_, channels) => {
    expect((await load("sdi12")).options.safeParse({ channels }).success).toBe(false);
  });

  it("speaks with an adapter in eight bits, at the rate of its port", async () => {
    const driver = await load("sdi12");
    const opened = (dataBits: 7 | 8): BusEvent => {
      return { type: "opened", atMs: monotonicMs(0), settings: { serial: { baudRate: 9_600, dataBits, parity: "even" } } };
    };
    const first = (options: object, dataBits: 7 | 8): Answer | undefined =>
      play(driver, { channels: { t: channel }, ...options }, [opened(dataBits)], 0)[0];
    expect(first({ line: "adapter" }, 7)).toEqual({ call: "reopen", settings: { baudRate: 9_600, dataBits: 8, parity: "none" } });
    expect(first({ line: "adapter" }, 8)?.call).toBe("expect");
    expect(first({}, 7)?.call).toBe("expect");
  });

  it("an hour of the capture is a value of each channel a minute", async () => {
    const { options, events } = capture("sdi12", "river.txt");
    const answers = play(await load("sdi12"), options, events, 0);
    for (const name of ["soil_moisture", "soil_temperature", "level"]) expect(readings(answers, name).length).toBe(60);
    expect(readings(answers, "level").every((level) => level > 2.7 && level < 2.9)).toBe(true);
  });
});

describe("davis-vantage", () => {
  it("ten minutes of the capture: 60 LOOP and 60 LOOP2, and rain that only grows", async () => {
    const { options, events } = capture("davis-vantage", "street.txt");
    const answers = play(await load("davis-vantage"), options, events, 0);
    expect(readings(answers, "temperature").length).toBe(120);
    expect(readings(answers, "pressure").length).toBe(60);
    const totals = answers.flatMap((answer) => (answer.call === "total" ? [answer.value] : []));
    expect(totals.length).toBe(60);
    expect(totals).toEqual([...totals].sort((a, b) => a - b));
    expect((totals.at(-1) ?? 0) - (totals[0] ?? 0)).toBeGreaterThan(0.2);
  });
});

describe("simulator", () => {
  const HOUR_MS = 3_600_000;
  const traffic = (seed: number) => ({
    seed,
    passages: { perHour: [0, 1_200], patternMs: 2 * HOUR_MS, towardsShare: 0.25, speedKmh: [10, 50] },
  });

  it("gives the same passages for the same seed and others for another", async () => {
    const driver = await load("simulator");
    const run = (seed: number) => passages(play(driver, traffic(seed), [OPENED], 4 * HOUR_MS));
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  it("keeps to the rates of its pattern, its share of directions and its speeds", async () => {
    const driver = await load("simulator");
    expect(passages(play(driver, traffic(7), [OPENED], HOUR_MS - 1))).toEqual([]);
    const seen = passages(play(driver, traffic(7), [OPENED], 20 * HOUR_MS));
    // 12,000 expected; five standard deviations of a Poisson count are 548.
    expect(Math.abs(seen.length - 12_000)).toBeLessThan(548);
    const towards = seen.filter(({ direction }) => direction === "towards").length / seen.length;
    expect(Math.abs(towards - 0.25)).toBeLessThan(0.02);
    const speeds = seen.map(({ speedKmh = 0 }) => speedKmh);
    expect(Math.min(...speeds)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...speeds)).toBeLessThanOrEqual(50);
  });

  it("gives each waveform its form", async () => {
    const driver = await load("simulator");
    const wave = (waveform: string) =>
      readings(
        play(
          driver,
          { channels: { pm25: { quantity: "pm25", waveform, min: 0, max: 8, periodMs: 8_000, everyMs: 1_000 } } },
          [OPENED],
          8_000,
        ),
        "pm25",
      );
    expect(wave("ramp")).toEqual([1, 2, 3, 4, 5, 6, 7, 0]);
    expect(wave("square")).toEqual([8, 8, 8, 0, 0, 0, 0, 8]);
    expect(wave("constant")).toEqual([8, 8, 8, 8, 8, 8, 8, 8]);
    expect(wave("sine")).toEqual([6.8, 8, 6.8, 4, 1.2, 0, 1.2, 4]);
    expect(new Set(wave("noise")).size).toBeGreaterThan(5);
  });

  it("does not drift, however late each timer is", async () => {
    const driver = await load("simulator");
    const session = driver.start(driver.options.parse({ channels: { pm25: { quantity: "pm25", max: 8, everyMs: 1_000 } } }));
    let afterMs = 0;
    const sink = recordingSink((answer) => {
      if (answer.call === "timer") afterMs = answer.afterMs ?? 0;
    });
    let atMs = 0;
    session.handle(OPENED, sink);
    for (let tick = 0; tick < 1_000; tick++) {
      atMs += afterMs + 7;
      session.handle({ type: "timer", atMs: monotonicMs(atMs), name: "tick:pm25" }, sink);
    }
    expect(atMs).toBe(1_000_007);
  });

  it.each([
    ["nothing to simulate", {}],
    ["a quantity that no number is", { channels: { p: { quantity: "passages", max: 1 } } }],
    ["no rate above 0", { passages: { perHour: [0] } }],
    ["a channel called like those of the passages", { channels: { speed: { quantity: "pm25", max: 1 } }, passages: { perHour: [1] } }],
    ["min above max", { channels: { p: { quantity: "pm25", min: 2, max: 1 } } }],
  ])("refuses %s", async (_, options) => {
    expect((await load("simulator")).options.safeParse(options).success).toBe(false);
  });
});

describe("tfmini", () => {
  it.each([
    ["no distances", {}],
    ["a far edge at the near one", { nearCm: 250, farCm: 250 }],
    ["an edge beyond its reach", { nearCm: 250, farCm: 1_201 }],
  ])("refuses %s", async (_, options) => {
    expect((await load("tfmini")).options.safeParse(options).success).toBe(false);
  });

  it("declares every channel as presence, whatever it is read as", async () => {
    const driver = await load("tfmini");
    const channels = ["passages", "bay"].flatMap((as) => driver.channels(driver.options.parse({ as, nearCm: 250, farCm: 300 })));
    expect(channels.map(({ name, sensitivity }) => [name, sensitivity])).toEqual([
      ["passages", "presence"],
      ["presence", "presence"],
      ["bay", "presence"],
    ]);
  });
});

describe("a02yyuw", () => {
  it("publishes no distance by itself, and a level only with a height", async () => {
    const driver = await load("a02yyuw");
    const names = (options: unknown) => driver.channels(driver.options.parse(options)).map(({ name, publish }) => [name, publish ?? true]);
    expect(names({})).toEqual([["distance", false]]);
    expect(names({ heightMm: 3_200 })).toEqual([
      ["level", true],
      ["distance", false],
    ]);
  });
});

describe("what may leave", () => {
  /** Per channel, the policies that an operator could give a stream of it. */
  const policies = async (name: string, options: unknown = {}) => {
    const driver = await load(name);
    return driver.channels(driver.options.parse(options)).map(({ quantity, sensitivity }) => {
      const known = findQuantity(quantity);
      return policiesOf(known?.kind ?? "gauge", stricter(sensitivity, known?.floor ?? "presence"));
    });
  };

  it("nmea: nothing, whatever the policy", async () => {
    expect(await policies("nmea")).toEqual(Array.from({ length: 6 }, () => ["withheld"]));
  });

  it("dsmr-p1: nothing of one household; the energy of a lighting cabinet as it is", async () => {
    expect(await policies("dsmr-p1")).toEqual(Array.from({ length: 6 }, () => ["withheld"]));
    expect(await policies("dsmr-p1", { serves: "street-lighting" })).toEqual([["open", "withheld"]]);
  });
});

describe("dsmr-p1", () => {
  const summed = (lines: readonly string[]): Uint8Array => {
    const body = Buffer.from([...lines, "!"].join("\r\n"));
    return Buffer.from(`${body.toString()}${driverApi.crc16Arc(body, 0, body.length).toString(16).padStart(4, "0").toUpperCase()}\r\n`);
  };
  const bytes = (data: Uint8Array): BusEvent => ({ type: "bytes", atMs: monotonicMs(0), data });

  it("says nothing of numbers and texts, wherever the meter prints them", async () => {
    const secret = "4B384547303034303436333935353037";
    const objects = ["0-0:96.1.1", "0-0:96.1.0", "0-0:96.13.0", "0-0:96.13.1", "0-1:96.1.0", "0-4:96.1.1", "1-0:99.97.0"];
    const telegram = summed([`/ISk5\\2${secret}`, "", ...objects.map((object) => `${object}(${secret})`), "1-0:1.7.0(00.244*kW)"]);
    const answers = play(await load("dsmr-p1"), {}, [bytes(telegram)], 0);
    expect(readings(answers, "power_import")).toEqual([244]);
    expect(JSON.stringify(answers)).not.toContain(secret.slice(0, 4));
  });

  it("adds two tariffs without the dust of binary fractions", async () => {
    const driver = await load("dsmr-p1");
    for (const [first, second, sum] of [
      ["000000.100", "000000.200", 0.3],
      ["001581.123", "001435.706", 3016.829],
      ["999998.999", "000001.000", 999_999.999],
    ] as const) {
      const telegram = summed(["/ISk5\\2MT382", "", `1-0:1.8.1(${first}*kWh)`, `1-0:1.8.2(${second}*kWh)`]);
      const totals = play(driver, {}, [bytes(telegram)], 0).flatMap((answer) => (answer.call === "total" ? [answer.value] : []));
      expect(totals).toEqual([sum]);
    }
  });
});

describe("sound-meter", () => {
  it.each([
    ["no format", {}],
    ["a field of a frame that has none", { format: "ms6701", field: 2 }],
    ["an upside-down range", { format: "ascii", range: [140, 20] }],
  ])("refuses %s", async (_, options) => {
    expect((await load("sound-meter")).options.safeParse(options).success).toBe(false);
  });
});
