import { describe, expect, it } from "vitest";
import { type Estimate, estimate } from "../../../src/config/estimate.ts";
import { parseNodeFile } from "../../../src/config/parse.ts";
import { planNode } from "../../../src/config/plan-node.ts";
import { reportJson, reportText } from "../../../src/config/report.ts";
import { fakeDrivers } from "../../contract/config-fake-drivers.ts";

function planOf(sensors: string, more = "", broker = "") {
  const text = `stoep: 1\nnode: { id: n1 }\nbroker: { url: mqtts://broker.example, prefix: a/b${broker} }\nsensors:\n${sensors}${more}`;
  const { plan, problems } = planNode(parseNodeFile(text, "node.yaml"), fakeDrivers);
  if (plan === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return plan;
}

const air = (count: number, more = ""): string =>
  Array.from({ length: count }, (_, index) => `  air-${index}: { driver: sds011, serial: { path: /dev/s${index} }${more} }\n`).join("");
const of = (sensors: string, more = "", broker = ""): Estimate => estimate(planOf(sensors, more, broker));

describe("estimate", () => {
  it("counts one summary for each window of each stream that leaves", () => {
    expect(of(air(1)).summariesPerDay).toBe(2 * 96);
    expect(of(air(3), "window: 5m\n").summariesPerDay).toBe(3 * 2 * 288);
    expect(of(air(1, ", enabled: false")).summariesPerDay).toBe(0);
    expect(of(air(1, ", streams: { pm25: { policy: withheld }, pm10: {} }")).summariesPerDay).toBe(96);
  });

  it("comes near what was measured: 20 streams of 5 min write 16.3 MB a day with summaries of 350 B", () => {
    // Ours are about 600 B with their topic: 288 x 27.2 KB + 288 x 20 x 600 B x 4.2 = 22.3 MB.
    const { flashMegabytesPerDay } = of(air(10), "window: 5m\n");
    expect(flashMegabytesPerDay).toBeGreaterThan(16.3);
    expect(flashMegabytesPerDay).toBeLessThan(25);
  });

  it("writes less to flash when streams close together than when they do not", () => {
    const together = of(air(10), "window: 5m\n").flashMegabytesPerDay;
    const apart = Array.from({ length: 10 }, (_, index) => air(10, `, streams: { pm25: { lateness: ${index}s } }`).split("\n")[index]);
    const oneEach = of(air(10, ", streams: { pm25: {} }"), "window: 5m\n").flashMegabytesPerDay;
    expect(of(`${apart.join("\n")}\n`, "window: 5m\n").flashMegabytesPerDay).toBeGreaterThan(2 * oneEach);
    expect(together).toBeLessThan(2 * oneEach);
  });

  it("sends less when the connection is proven less often", () => {
    const often = of(air(1), "", ", keepAlive: 30s").uplinkMegabytesPerMonth;
    const seldom = of(air(1), "", ", keepAlive: 10m").uplinkMegabytesPerMonth;
    // 2880 - 144 pings a day of 256 bytes, for 30 days.
    expect(often - seldom).toBeCloseTo((2_736 * 256 * 30) / 1e6, 1);
  });

  it("holds as long as size and age allow, whichever is first", () => {
    const hours = (outbox: string) => of(air(1), `storage: { outbox: { ${outbox} } }\n`).outboxHours;
    expect(hours("maxAge: 2d")).toBe(48);
    expect(hours("maxBytes: 1MB, maxAge: 3650d")).toBeGreaterThan(100);
    expect(hours("maxBytes: 1MB, maxAge: 3650d")).toBeLessThan(250);
    expect(of(air(1, ", streams: {}")).outboxHours).toBeNull();
  });
});

describe("the report of check", () => {
  const sensors = `${air(1, ", streams: { pm25: {} }")}
  gate: { driver: ops243, serial: { path: /dev/g }, streams: { passages: { policy: minimum-count } } }
  box:
    driver: json-lines
    serial: { path: /dev/b, baud: 9600 }
    options: { channels: { radon: { quantity: radon, unit: x }, spare: { quantity: co2, unit: x, publish: false } } }
    streams: { radon: { sensitivity: environmental, because: Soil gas } }
  off: { driver: sds011, enabled: false, serial: { path: /dev/o } }
`;

  it("says of every channel that does not leave why it stays", () => {
    expect(reportJson(planOf(sensors)).stays).toEqual([
      { sensor: "air-0", channel: "pm10", reason: "not named under streams:" },
      { sensor: "gate", channel: "speed", reason: "stems from people, and is not named under streams:" },
      { sensor: "box", channel: "spare", reason: "not named under streams:; the driver does not publish it unasked" },
      { sensor: "off", channel: "pm25", reason: "the sensor is not enabled" },
      { sensor: "off", channel: "pm10", reason: "the sensor is not enabled" },
    ]);
  });

  it("has a line for each stream, with the operator's reason where there is one", () => {
    const { streams } = reportJson(planOf(sensors));
    expect(streams.map(({ sensor, stream, policy, leaves, because }) => [sensor, stream, policy, leaves, because])).toEqual([
      ["air-0", "pm25", "open", true, undefined],
      ["gate", "passages", "minimum-count k=10", true, undefined],
      ["box", "radon", "open", true, "Soil gas"],
      ["off", "pm25", "open", false, undefined],
      ["off", "pm10", "open", false, undefined],
    ]);
    expect(reportText(planOf(sensors))).toContain("box.radon: radon is held to be environmental because: Soil gas");
  });

  it("is text without stray blanks, also when there is nothing to tell", () => {
    const text = reportText(planOf(air(1, ", streams: {}")));
    expect(text).toContain("It has no streams.");
    expect(text).toContain("nothing to keep");
    expect(text).not.toMatch(/[ \t]\n/);
  });
});
