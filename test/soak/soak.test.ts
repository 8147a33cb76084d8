import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import type { NodeSite } from "../support/node-process.ts";
import { PREFIX } from "../support/node-process.ts";
import { expectWholeHistory } from "../support/summaries.ts";

/** `STOEP_SOAK_MINUTES=5 npm run test:soak` is a try; less than 30 says little (a leak-free loop of 15 s seemed to leak 27 MB an hour). */
const MINUTES = Number(process.env.STOEP_SOAK_MINUTES ?? 30);
/**
 * Before that: V8 goes on compiling for half an hour, at this rate, and the page caches of SQLite fill. Two heap snapshots of minutes 3
 * and 9 differed by compiled code and by nothing else; from minute 15 to 25 optimised code grew by 0.2 MB and what holds it by 0.7.
 */
const WARM_UP_MINUTES = MINUTES;
/** The median of a minute: one moment of writing or collecting does not move it. */
const SPAN_MINUTES = 1;
/** How many minutes stand for one in what is printed. */
const PRINTED_MINUTES = 5;
const SENSORS = 20;
/** A street sensor speaks once a second. */
const READ_EVERY_MS = 10;
const LOOK_EVERY_MS = 2_000;
const SLOPE_MB_PER_HOUR_MAX = 1;
const LIVE_BYTES_MAX = 16e6;
const NODE_WAL_BYTES_MAX = 8e6;

interface Look {
  readonly atHours: number;
  readonly residentMb: number;
  readonly descriptors: number;
  readonly liveBytes: number;
  readonly walBytes: number;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function look(pid: number, site: NodeSite, startedMs: number): Look {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    atHours: (performance.now() - startedMs) / 3_600_000,
    residentMb: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_000,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    liveBytes: sizeOf(join(site.live, "live.db")) + sizeOf(join(site.live, "live.db-wal")),
    walBytes: sizeOf(join(site.storage, "node.db-wal")),
  };
}

/** The look with the median of memory, of each span. */
function medians(looks: readonly Look[], spanMinutes: number): readonly Look[] {
  const spans = new Map<number, Look[]>();
  for (const one of looks) {
    const span = Math.floor((one.atHours * 60) / spanMinutes);
    spans.set(span, [...(spans.get(span) ?? []), one]);
  }
  return [...spans.values()].map((span) => {
    const sorted = span.toSorted((a, b) => a.residentMb - b.residentMb);
    return sorted[Math.floor(sorted.length / 2)] as Look;
  });
}

/** The median of the slopes of all pairs (Theil and Sen): one minute that was unlike the others does not move it. MB an hour. */
function slopeOf(looks: readonly Look[]): number {
  const slopes = looks.flatMap((a, index) => looks.slice(index + 1).map((b) => (b.residentMb - a.residentMb) / (b.atHours - a.atHours)));
  return slopes.toSorted((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? 0;
}

it(`${MINUTES} minutes at 100 times the rate, after a warm-up: memory, descriptors and files do not grow`, {
  timeout: (WARM_UP_MINUTES + MINUTES + 5) * 60_000,
}, async () => {
  const lab = openLab();
  const broker = await lab.mosquitto({ config: ["allow_anonymous true", "max_queued_messages 0"] });
  const subscriber = await lab.subscriber(broker.url);
  const options = () => ({ channels: { pm25: { quantity: "pm25", max: 30, everyMs: READ_EVERY_MS } } });
  const sensors = Object.fromEntries(
    Array.from({ length: SENSORS }, (_, index) => [`air-${index}`, { driver: "simulator", options: options() }]),
  );
  const site = lab.site({ broker: { url: broker.url }, sensors });
  const node = await site.runUntilReady();
  const startedMs = performance.now();
  const looks: Look[] = [];
  while (performance.now() - startedMs < (WARM_UP_MINUTES + MINUTES) * 60_000) {
    await wait(LOOK_EVERY_MS);
    looks.push(look(node.pid, site, startedMs));
  }
  const warm = looks.filter(({ atHours }) => atHours * 60 >= WARM_UP_MINUTES && atHours * 60 < WARM_UP_MINUTES + MINUTES);
  const slope = slopeOf(medians(warm, SPAN_MINUTES));
  const descriptors = warm.map((one) => one.descriptors);
  const readings = Object.values((await site.status()).sensors).reduce((sum, { counters }) => sum + (counters?.stored ?? 0), 0);
  const printed = medians(looks, PRINTED_MINUTES).map(({ residentMb }) => residentMb.toFixed(1));
  console.log(`slope ${slope.toFixed(2)} MB/h; median of each ${PRINTED_MINUTES} minutes, MB: ${printed.join(" ")}`);
  expect(slope, "growth of memory, MB an hour").toBeLessThan(SLOPE_MB_PER_HOUR_MAX);
  expect(Math.max(...descriptors) - Math.min(...descriptors), "descriptors").toBeLessThanOrEqual(2);
  const live = Math.max(...looks.map(({ liveBytes }) => liveBytes));
  expect(live, "live.db and its WAL").toBeLessThan(LIVE_BYTES_MAX);
  expect(Math.max(...looks.map(({ walBytes }) => walBytes)), "WAL of node.db").toBeLessThan(NODE_WAL_BYTES_MAX);
  expect((await node.stop()).code).toBe(0);
  expectWholeHistory(subscriber.messages, PREFIX);
  const millions = (readings / 1e6).toFixed(1);
  faultRow({
    fault: "Process: years without a visit",
    injected: `${MINUTES} minutes at 100 times the rate, after ${WARM_UP_MINUTES} of warm-up: ${millions} million readings of ${SENSORS}`,
    promised: "memory grows by less than 1 MB an hour; descriptors, WAL and live store do not grow",
    measured: `${slope.toFixed(2)} MB an hour; ${Math.max(...descriptors)} descriptors; live store ${(live / 1e6).toFixed(1)} MB at most`,
  });
});
