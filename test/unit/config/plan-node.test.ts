import { describe, expect, it } from "vitest";
import { parseNodeFile } from "../../../src/config/parse.ts";
import type { NodePlan, SensorPlan } from "../../../src/config/plan.ts";
import { planNode } from "../../../src/config/plan-node.ts";
import { latticeProblem, SPEED_EDGES_KMH } from "../../../src/config/plan-streams.ts";
import type { ConfigProblem } from "../../../src/config/problem.ts";
import { DAY_MS } from "../../../src/core/units/time.ts";
import { fakeDrivers } from "../../contract/config-fake-drivers.ts";

const HEAD = "stoep: 1\nnode: { id: n1 }\nbroker: { url: mqtts://broker.example, prefix: a }\n";

function planned(text: string): { plan: NodePlan; problems: readonly ConfigProblem[] } {
  const { plan, problems } = planNode(parseNodeFile(text, "node.yaml"), fakeDrivers);
  if (plan === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return { plan, problems };
}

/** The plan of one sensor, given the rest of its YAML. */
function sensorOf(driver: string, ...lines: readonly string[]): SensorPlan {
  const { plan } = planned(`${HEAD}sensors:\n  s:\n    driver: ${driver}\n${lines.map((line) => `    ${line}\n`).join("")}`);
  const [sensor] = plan.sensors;
  if (sensor === undefined) throw new Error("no sensor");
  return sensor;
}

/** What is wrong with one sensor, as `path: message`. */
function wrong(driver: string, ...lines: readonly string[]): readonly string[] {
  const text = `${HEAD}sensors:\n  s:\n    driver: ${driver}\n${lines.map((line) => `    ${line}\n`).join("")}`;
  return planNode(parseNodeFile(text, "node.yaml"), fakeDrivers).problems.map(({ path, message }) => `${path}: ${message}`);
}

const SERIAL = "serial: { path: /dev/serial/by-id/s }";
const RADON = 'options: { channels: { radon: { quantity: radon, unit: "Bq/m3" } } }';

describe("the streams of a sensor", () => {
  it("are its environmental channels when none is named", () => {
    const { streams } = sensorOf("sds011", SERIAL);
    expect(streams.map(({ id, policy, windowMs, latenessMs }) => ({ id, policy, windowMs, latenessMs }))).toEqual([
      { id: "s.pm25", policy: { is: "open" }, windowMs: 900_000, latenessMs: 30_000 },
      { id: "s.pm10", policy: { is: "open" }, windowMs: 900_000, latenessMs: 30_000 },
    ]);
  });

  it("are never people's, nor of an unknown quantity, nor unpublished ones, when none is named", () => {
    expect(sensorOf("ops243", SERIAL).streams).toEqual([]);
    const box = "options: { channels: { radon: { quantity: radon, unit: x }, t: { quantity: temperature, unit: Cel, publish: false } } }";
    expect(sensorOf("json-lines", "serial: { path: /dev/s, baud: 9600 }", box).streams).toEqual([]);
  });

  it("are only those that are named, in the order of the file", () => {
    const { streams } = sensorOf("sds011", SERIAL, "streams: { pm10: {}, fine: { channel: pm25, window: 30s } }");
    expect(streams.map(({ id, channel }) => [id, channel.name])).toEqual([
      ["s.pm10", "pm10"],
      ["s.fine", "pm25"],
    ]);
  });

  it("may be none at all", () => {
    expect(sensorOf("sds011", SERIAL, "streams: {}").streams).toEqual([]);
  });

  it("of people are withheld when they have no policy, and the operator is told", () => {
    const { plan, problems } = planned(`${HEAD}sensors: { s: { driver: ops243, ${SERIAL}, streams: { passages: {} } } }\n`);
    expect(plan.sensors[0]?.streams[0]?.policy).toEqual({ is: "withheld" });
    expect(problems.map(({ severity, path }) => [severity, path])).toEqual([["warning", "sensors.s.streams.passages.policy"]]);
  });

  it("of people count with k = 10, and the speed in bins of 5 km/h", () => {
    const [passages] = sensorOf("ops243", SERIAL, "streams: { passages: { policy: minimum-count } }").streams;
    const [speed] = sensorOf("ops243", SERIAL, "streams: { speed: { policy: minimum-count, k: 20 } }").streams;
    expect([passages?.policy, speed?.policy]).toEqual([
      { is: "minimum-count", k: 10 },
      { is: "minimum-count", k: 20 },
    ]);
    expect([passages?.binEdges, speed?.binEdges]).toEqual([[], SPEED_EDGES_KMH]);
    expect([SPEED_EDGES_KMH[0], SPEED_EDGES_KMH[1], SPEED_EDGES_KMH.at(-1), SPEED_EDGES_KMH.length]).toEqual([0, 5, 150, 31]);
  });

  it.each([
    ["10s", 1_000],
    ["15s", 1_500],
    ["30s", 3_000],
    ["1m", 30_000],
    ["1h", 30_000],
  ])("with windows of %s wait %i ms for late readings", (window, latenessMs) => {
    expect(sensorOf("sds011", SERIAL, `streams: { pm25: { window: ${window} } }`).streams[0]?.latenessMs).toBe(latenessMs);
  });

  it("of people may be short when they are simulated", () => {
    const broker = HEAD.replace("mqtts://broker.example", "mqtt://localhost");
    const streams = "streams: { passages: { policy: minimum-count, window: 10s } }";
    const { plan } = planned(
      `${broker}sensors: { s: { driver: simulator, ${streams} }, r: { driver: ops243, replay: { file: x }, ${streams} } }\n`,
    );
    expect(plan.sensors.map((sensor) => sensor.streams[0]?.windowMs)).toEqual([10_000, 10_000]);
    expect(wrong("ops243", SERIAL, streams)[0]).toContain("sensors.s.streams.passages.window: must be from 5m to 1h, got 10s");
  });
});

describe("the sensitivity of a channel", () => {
  it("is tightened for every stream of the channel when it is tightened for one", () => {
    const { streams } = sensorOf("sds011", SERIAL, "streams: { pm25: { sensitivity: presence, policy: withheld } }");
    expect([streams[0]?.sensitivity, streams[0]?.channel.sensitivity]).toEqual(["presence", "presence"]);
    const [problem] = wrong(
      "sds011",
      SERIAL,
      "streams: { pm25: { sensitivity: presence, policy: withheld }, twin: { channel: pm25, policy: open } }",
    );
    expect(problem).toContain('sensors.s.streams.twin.policy: "open" is for environmental channels');
  });

  it("of an energy meter follows the quantity, whatever its driver says", () => {
    const gpio = "gpio: { line: GPIO17, edge: falling }";
    expect(sensorOf("pulse-counter", gpio, "options: { quantity: energy, perPulse: 0.001 }").streams).toEqual([]);
    const [problem] = wrong(
      "pulse-counter",
      gpio,
      "options: { quantity: energy, perPulse: 0.001 }",
      "streams: { energy: { policy: open } }",
    );
    expect(problem).toContain("this one is identifying of kind counter: allowed is withheld");
  });

  it("of an unknown quantity is environmental when the operator says why, and the plan keeps the reason", () => {
    const because = "streams: { radon: { sensitivity: environmental, because: Soil gas } }";
    const sensor = sensorOf("json-lines", "serial: { path: /dev/s, baud: 9600 }", RADON, because);
    expect(sensor.streams[0]).toMatchObject({ sensitivity: "environmental", policy: { is: "open" }, channel: { kind: "gauge" } });
    expect(sensor.because).toEqual({ radon: "Soil gas" });
  });
});

describe("the port of a sensor", () => {
  it("takes the line settings of its driver, with the operator's baud rate", () => {
    expect(sensorOf("sds011", SERIAL).port).toEqual({ is: "serial", path: "/dev/serial/by-id/s", settings: { baudRate: 9_600 } });
    expect(sensorOf("sds011", "serial: { path: /dev/s, baud: 115200 }").port).toMatchObject({ settings: { baudRate: 115_200 } });
  });

  it("names its one line as its driver does", () => {
    const options = "options: { quantity: rainfall, perPulse: 0.2 }";
    expect(sensorOf("pulse-counter", "gpio: { line: GPIO17, edge: falling, pull: up, debounce: 50ms }", options).port).toEqual({
      is: "gpio",
      lines: { line: { line: { name: "GPIO17" }, edge: "falling", pull: "up", debounceMs: 50 } },
    });
    expect(sensorOf("pulse-counter", "gpio: { line: 17, chip: pinctrl-bcm2711, edge: rising }", options).port).toEqual({
      is: "gpio",
      lines: { line: { line: { chip: "pinctrl-bcm2711", offset: 17 }, edge: "rising", pull: "none", debounceMs: 0 } },
    });
  });

  it("has all lines of a driver with several", () => {
    const lines = "gpio: { lines: { north: { line: GPIO5, edge: both }, south: { line: GPIO6, edge: both } } }";
    expect(Object.keys((sensorOf("wind-vane", lines).port as { lines: object }).lines)).toEqual(["north", "south"]);
  });

  it("may be taken twice when one of the sensors is not enabled", () => {
    const { plan } = planned(`${HEAD}sensors: { a: { driver: sds011, ${SERIAL} }, b: { driver: sds011, enabled: false, ${SERIAL} } }\n`);
    expect(plan.sensors.map(({ enabled }) => enabled)).toEqual([true, false]);
  });

  it("may be simulated on a broker elsewhere when the operator says so", () => {
    const { plan } = planned(`${HEAD.replace("prefix: a", "prefix: a, allowSimulated: true")}sensors: { s: { driver: simulator } }\n`);
    expect(plan.sensors[0]?.port).toEqual({ is: "simulator" });
  });
});

describe("calibration", () => {
  it("stands at the sensor when it has one channel", () => {
    const sensor = sensorOf(
      "pulse-counter",
      "gpio: { line: GPIO1, edge: both }",
      "options: { quantity: rainfall, perPulse: 1 }",
      "calibration: { scale: 1.02, date: 2026-03-01 }",
    );
    expect(sensor.streams[0]?.channel.calibration).toEqual({ scale: 1.02, offset: 0, date: "2026-03-01" });
  });

  it("stands by channel when there are several, and shares its days", () => {
    const sensor = sensorOf("sds011", SERIAL, "calibration: { validUntil: 2027-03-01, channels: { pm25: { scale: 1.1, offset: -1 } } }");
    expect(sensor.streams.map(({ channel }) => channel.calibration)).toEqual([
      { scale: 1.1, offset: -1, validUntil: "2027-03-01" },
      { scale: 1, offset: 0, validUntil: "2027-03-01" },
    ]);
  });

  it("is absent where nothing is written", () => {
    expect(sensorOf("sds011", SERIAL).streams[0]?.channel.calibration).toBeNull();
  });
});

describe("the rest of the plan", () => {
  const SENSORS = `sensors: { s: { driver: sds011, ${SERIAL} } }\n`;

  it("keeps readings in memory when storage says so", () => {
    expect(planned(`${HEAD}${SENSORS}`).plan.storage.live).toBe("/run/stoep");
    expect(planned(`${HEAD}${SENSORS}storage: { live: memory }\n`).plan.storage.live).toBeNull();
  });

  it("turns the path of a certificate into a reference, so that a string is always the text itself", () => {
    const tls = (ca: string) => planned(`${HEAD.replace("prefix: a", `prefix: a, tls: { ca: ${ca} }`)}${SENSORS}`).plan.broker.tls.ca;
    expect(tls("/etc/stoep/ca.pem")).toEqual({ file: "/etc/stoep/ca.pem" });
    expect(tls("{ credential: ca }")).toEqual({ credential: "ca" });
    expect(tls('"-----BEGIN CERTIFICATE-----"')).toBe("-----BEGIN CERTIFICATE-----");
  });

  it("says why a driver could not be had", () => {
    const parsed = parseNodeFile(`${HEAD}${SENSORS}`, "node.yaml");
    const { problems } = planNode(parsed, new Map(), new Map([["sds011", "its hash is not the pinned one"]]));
    expect(problems[0]?.message).toBe('"sds011" is not a driver that can be used (its hash is not the pinned one)');
  });
});

describe("a mistake of form", () => {
  it("is not told a second time as a mistake of meaning", () => {
    expect(
      wrong("sds011", "serial: { path: 3 }", "streams: { a: { channel: 7 }, b: { from: pm26 } }").map((line) => line.split(":")[0]),
    ).toEqual(["sensors.s.serial.path", "sensors.s.streams.a.channel", "sensors.s.streams.b.window", "sensors.s.streams.b.from"]);
    expect(wrong("sds011", "replay: { fle: x }").map((line) => line.split(":")[0])).toEqual([
      "sensors.s.replay.file",
      "sensors.s.replay.fle",
    ]);
  });

  it("does not hide a mistake of meaning beside it", () => {
    expect(wrong("ops243", SERIAL, "azimut: 3", "streams: { passages: { policy: open } }").map((line) => line.split(":")[0])).toEqual([
      "sensors.s.azimut",
      "sensors.s.streams.passages.policy",
    ]);
  });
});

describe("the lattice of windows", () => {
  it("takes every whole number of seconds that divides a day, and no other", () => {
    for (let seconds = 10; seconds <= 3_600; seconds++) {
      expect(latticeProblem(seconds * 1_000) === null).toBe((DAY_MS / 1_000) % seconds === 0);
    }
    expect(latticeProblem(13_500)).not.toBeNull();
  });

  it("suggests windows that people use", () => {
    expect(latticeProblem(7 * 60_000)).toBe("must divide a day, got 7m; near it are 6m and 8m");
  });
});

describe("how fast and when a node sends", () => {
  const delivery = (broker: string, window = "15m") => {
    const { plan, problems } = planned(
      `stoep: 1\nnode: { id: n1 }\nbroker: { ${broker}, prefix: a }\nwindow: ${window}\nsensors: { s: { driver: sds011, ${SERIAL} } }\n`,
    );
    const { drainPerSecond, spreadMs } = plan.broker;
    return { drainPerSecond, spreadMs, warnings: problems.map(({ path, message }) => `${path} ${message}`) };
  };
  const ABROAD = "url: mqtts://broker.example";

  it("is spread over a minute and 20 a second where the broker has others to serve", () => {
    expect(delivery(ABROAD)).toEqual({ drainPerSecond: 20, spreadMs: 60_000, warnings: [] });
  });

  it("is at once and as fast as it goes to a broker on this machine, unless asked for", () => {
    expect(delivery("url: mqtt://localhost")).toMatchObject({ drainPerSecond: null, spreadMs: 0 });
    expect(delivery("url: mqtt://localhost, spread: 10s, drainRate: 3")).toMatchObject({ drainPerSecond: 3, spreadMs: 10_000 });
  });

  it("is always enough to catch up, or warned about", () => {
    const options = `${ABROAD}, drainRate: 1`;
    expect(delivery(options, "15m").warnings).toEqual([]);
    const streams = Array.from({ length: 60 }, (_, index) => `c${index}: { channel: pm25 }`).join(", ");
    const sensors = `sensors: { s: { driver: sds011, ${SERIAL}, streams: { ${streams} } } }`;
    const text = (rate: string) => `stoep: 1\nnode: { id: n1 }\nbroker: { ${ABROAD}${rate}, prefix: a }\nwindow: 10s\n${sensors}\n`;
    expect(planned(text("")).plan.broker.drainPerSecond).toBe(24);
    const { problems } = planned(text(", drainRate: 11"));
    expect(problems.map(({ path, message }) => `${path} ${message}`)).toEqual([
      "broker.drainRate is too low to catch up: this file makes 6.0 a second; use 12 or more",
    ]);
    expect(planned(text(", drainRate: 12")).problems).toEqual([]);
  });

  it("says what MQTT 3.1.1 cannot promise", () => {
    expect(delivery(`${ABROAD}, protocol: 4`).warnings).toEqual([expect.stringMatching(/^broker\.protocol is 4 .* lost unseen/)]);
  });
});

describe("sensors on a bus", () => {
  const BUS = "buses: { rs485-1: { serial: { path: /dev/serial/by-id/rs485, baud: 19200, parity: even } } }\n";
  const meters = (...units: readonly number[]) =>
    units.map((unit) => `  meter-${unit}: { driver: modbus-meter, bus: rs485-1, unit: ${unit} }\n`).join("");

  it("have the line of the bus, and a unit each", () => {
    const { plan, problems } = planned(`${HEAD}${BUS}sensors:\n${meters(1, 247)}`);
    const settings = { baudRate: 19_200, parity: "even", stopBits: 1 };
    const port = (unit: number) => ({ is: "modbus", bus: "rs485-1", unit, path: "/dev/serial/by-id/rs485", settings });
    expect(plan.sensors.map((sensor) => sensor.port)).toEqual([port(1), port(247)]);
    expect(problems).toEqual([]);
  });

  it("may have the unit of one that is not enabled", () => {
    const spare = "  spare: { driver: modbus-meter, bus: rs485-1, unit: 1, enabled: false }\n";
    expect(planned(`${HEAD}${BUS}sensors:\n${meters(1)}${spare}`).plan.sensors).toHaveLength(2);
  });

  it("do not make the name of an adapter that can move right", () => {
    const { problems } = planned(`${HEAD}${BUS.replace("/dev/serial/by-id/rs485", "/dev/ttyUSB0")}sensors:\n${meters(1)}`);
    expect(problems).toMatchObject([{ severity: "warning", path: "buses.rs485-1.serial.path" }]);
  });
});
