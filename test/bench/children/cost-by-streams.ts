import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openLiveStore } from "../../../src/adapters/sqlite/live-store.ts";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import { SensorCounters } from "../../../src/core/events/counters.ts";
import { meaningOf } from "../../../src/core/reading/meaning.ts";
import { type EpochMs, monotonicMs } from "../../../src/core/units/time.ts";
import { coverageOf } from "../../../src/core/window/coverage.ts";
import { WindowTable } from "../../../src/core/window/readings.ts";
import { exactStatistic } from "../../../src/core/window/statistics.ts";
import { Ingest } from "../../../src/runtime/ingest.ts";
import { answer, inputOf } from "../child.ts";
import { benchPlan } from "../world/bench-plan.ts";

export interface CostInput {
  readonly streams: number;
  readonly readingsPerWindow: number;
  readonly windows: number;
}

const { streams, readingsPerWindow, windows } = inputOf<CostInput>();
const WINDOW_MS = 10_000;
const directory = mkdtempSync("/dev/shm/stoep-bench-");
const live = openLiveStore({ path: join(directory, "live.db"), instance: "bench", bootId: "bench", bytesMax: 256e6 });
const ingest = new Ingest({ live, events: { emit: () => {} }, crypto: createSystemCrypto() });
const plan = benchPlan({
  sensors: streams,
  streamsPerSensor: 1,
  windowMs: WINDOW_MS,
  latenessMs: 0,
  url: "mqtt://127.0.0.1",
  directory,
  inFlightMax: 20,
});
const intakes = plan.sensors.map((sensor) => ingest.addSensor(sensor.channels, sensor.streams, new SensorCounters()));
const plans = plan.sensors.flatMap((sensor) => sensor.streams);
const indices = plans.map((plan) => live.streamIndex(plan.id, meaningOf(plan)));
for (const intake of intakes) {
  intake.expect(WINDOW_MS);
  intake.opened(monotonicMs(0));
}
ingest.anchor(0, monotonicMs(0), "first");

let statistics = 0;
/** One window of readings, taken in and flushed by the thousand, read back, sorted by stream, made into statistics, and purged. */
function window(number: number): void {
  const start = number * WINDOW_MS;
  const stepMs = WINDOW_MS / readingsPerWindow;
  for (let reading = 0; reading < readingsPerWindow; reading++) {
    const value = 5 + ((reading * 7_919) % 997) / 10;
    intakes[reading % streams]?.reading("pm25", value, undefined, monotonicMs(start + reading * stepMs));
  }
  ingest.flush();
  const table = new WindowTable(ingest.streams);
  for (const chunk of live.read(plans[0]?.windowMs ?? (0 as never), start as EpochMs)) table.take(chunk.data);
  for (let chunk = 0; chunk < table.chunks; chunk++) table.scatter(chunk);
  for (const index of indices) {
    const readings = table.of(index);
    const shape = { kind: "gauge", windowMs: WINDOW_MS, startMs: start, cells: {}, states: [], bound: null, binEdges: [] } as const;
    const statistic = exactStatistic(shape, readings);
    if (statistic?.kind === "gauge" && coverageOf(readings, WINDOW_MS) > 0) statistics += statistic.samples;
  }
  table.wipe();
  live.purge("environmental", plans[0]?.windowMs ?? (0 as never), (start + WINDOW_MS) as EpochMs);
}

const usPerReading: number[] = [];
for (let number = 0; number <= windows; number++) {
  const before = process.cpuUsage();
  window(number);
  const { user, system } = process.cpuUsage(before);
  if (number > 0) usPerReading.push((user + system) / readingsPerWindow); // the first one warms up
}
if (statistics !== (windows + 1) * readingsPerWindow) throw new Error(`${statistics} samples in statistics`);
live.close();
rmSync(directory, { recursive: true });
answer({ usPerReading });
