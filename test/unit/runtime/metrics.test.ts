import { describe, expect, it } from "vitest";
import { BusCounters } from "../../../src/core/events/bus-counters.ts";
import { SensorCounters } from "../../../src/core/events/counters.ts";
import { metricsText } from "../../../src/runtime/metrics.ts";
import type { LocalStatus } from "../../../src/runtime/status.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust } from "../../support/dust.ts";
import { nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const radar = () => sensorPlan({ id: "gate-1", channels: [PASSAGES], streams: [streamPlan(PASSAGES, { sensor: "gate-1" })] });

/** A line of the format: name, labels with every quote escaped, a number. */
const LINE = /^stoep_[a-z_]+(\{([a-z]+="(\\.|[^"\\])*",?)+\})? -?\d+(\.\d+)?(e[+-]\d+)?$/;

const samplesOf = (text: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line.startsWith("stoep_"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );

async function statusOf(sensors: Parameters<typeof nodePlan>[0]): Promise<LocalStatus> {
  const clock = new VirtualClock();
  const node = new VirtualNode(clock);
  await node.start(nodePlan(sensors));
  await clock.advance(5_000);
  const status = node.node.status();
  await node.stop();
  return status;
}

describe("metrics", () => {
  it("are lines that Prometheus reads, each family with its type before it, none twice", async () => {
    const text = metricsText(await statusOf([dust(), radar()]));
    const lines = text.trimEnd().split("\n");
    const samples = lines.filter((line) => !line.startsWith("#"));
    expect(samples.filter((line) => !LINE.test(line))).toEqual([]);
    const names = samples.map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(new Set(names).size).toBe(names.length);
    const types = lines.flatMap((line) => /^# TYPE (\S+) (gauge|counter)$/.exec(line)?.slice(1, 2) ?? []);
    expect(new Set(samples.map((line) => /^[a-z_]+/.exec(line)?.[0]))).toEqual(new Set(types));
    for (const [name, type] of lines.flatMap((line) => [/^# TYPE (\S+) (\S+)$/.exec(line)?.slice(1) ?? []]))
      expect(name === undefined || name.endsWith("_total") === (type === "counter"), name).toBe(true);
  });

  it("count readings of the environment, and say of people's sensors only whether they work and balance", async () => {
    const status = await statusOf([dust(), radar()]);
    const text = metricsText(status);
    const [people = ""] = Object.entries(status.sensors).find(([, { counters }]) => counters === null) ?? [];
    const [open = ""] = Object.entries(status.sensors).find(([, { counters }]) => counters !== null) ?? [];
    expect(status.sensors[open]?.counters?.emitted).toBeGreaterThan(0);
    expect(text).toContain(`stoep_readings_emitted_total{sensor="${open}"} ${status.sensors[open]?.counters?.emitted}\n`);
    const ofPeople = text.split("\n").filter((line) => line.includes(`sensor="${people}"`) && !line.startsWith("stoep_problem"));
    expect(ofPeople.map((line) => line.slice(0, line.indexOf("{")))).toEqual(["stoep_sensor_ok", "stoep_sensor_balanced"]);
    expect(text, "every passage makes it grow").not.toContain("stoep_live_store_bytes");
  });

  it("never take back what they counted, and balance: a reading that is dropped after it was stored", async () => {
    const status = await statusOf([dust()]);
    const counters = Object.assign(new SensorCounters(), { emitted: 9, stored: 7, setAside: 2 });
    const dustOnly = { state: "ok", trouble: null, driver: "sds011", balanced: true, counters } as const;
    const told = () => samplesOf(metricsText({ ...status, sensors: { air: dustOnly } }));
    const before = told();
    counters.stored -= 3;
    counters.setAside--;
    counters.drop("late", 4);
    const after = told();
    for (const [name, value] of before) if (/^\w+_total/.test(name)) expect(after.get(name), name).toBeGreaterThanOrEqual(value);
    const sum = (family: string) => [...after].reduce((total, [name, value]) => total + (name.startsWith(`${family}{`) ? value : 0), 0);
    expect(sum("stoep_readings_dropped_total")).toBe(4);
    expect(sum("stoep_readings_kept")).toBe(sum("stoep_readings_emitted_total") - sum("stoep_readings_dropped_total"));
  });

  it("count what became of requests on a bus, and nothing where a sensor of people is on it", async () => {
    const status = await statusOf([dust()]);
    const counters = Object.assign(new BusCounters(), { replies: 7, timeouts: 2 });
    counters.discard("late", 9);
    const bus = { path: "/dev/a", isOpen: true, units: [1], counters };
    const text = metricsText({ ...status, buses: { "rs485-1": bus, homes: { ...bus, counters: null } } });
    expect(text).toContain('stoep_bus_requests_total{bus="rs485-1",outcome="replies"} 7\n');
    expect(text).toContain('stoep_bus_discarded_bytes_total{bus="rs485-1",reason="late"} 9\n');
    const ofHomes = text.split("\n").filter((line) => line.includes("homes"));
    expect(ofHomes).toEqual(['stoep_bus_open{bus="homes"} 1']);
  });

  it("escape what stands in a label", async () => {
    const status = await statusOf([dust()]);
    const odd = { ...status, status: { ...status.status, version: 'a"b\\c\nd' } };
    expect(metricsText(odd)).toContain('version="a\\"b\\\\c\\nd"');
  });
});
