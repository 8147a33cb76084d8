import { fileURLToPath } from "node:url";
import { startMosquitto } from "../../support/mosquitto.ts";
import { Subscriber } from "../../support/subscriber.ts";
import { Watched } from "../child.ts";
import { median } from "../figures.ts";
import type { Effort, Row } from "../row.ts";
import { line, type RealNode, realNode } from "../world/real-node.ts";

const SENSORS = 20;
const SETTLE_MS = 8_000;
/** node-cron loads the calendars of the world, 8 MB, when it looks for the first time after a full minute: within 80 s. */
const MEMORY_SETTLE_MS = 85_000;
const RATIO_MAX = 1.3;
const CPU_PERCENT_MAX = 1;
const PACKAGES_ONLY = fileURLToPath(new URL("../children/packages-only.js", import.meta.url));

const wait = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** A node with 20 sensors on pseudo terminals and a broker, at work once `isUp`. */
async function withNode<T>(work: (node: RealNode, process: Watched) => Promise<T>): Promise<T> {
  const mosquitto = await startMosquitto();
  const witness = await Subscriber.start(mosquitto.url, "bench/+/status");
  const node = await realNode({ sensors: SENSORS, url: mosquitto.url, window: "5m" });
  const process = node.start();
  try {
    await witness.waitFor((messages) => messages.length > 0, SETTLE_MS);
    await wait(SETTLE_MS);
    return await work(node, process);
  } finally {
    await process.stop();
    await node.dispose();
    await witness.stop();
    await mosquitto.stop();
  }
}

async function packagesOnlyMb(): Promise<number> {
  const process = new Watched([PACKAGES_ONLY]);
  await wait(MEMORY_SETTLE_MS);
  const residentMb = process.residentMb();
  await process.stop();
  return residentMb;
}

export const idleMemoryRow: Row = {
  name: "memory-idle",
  what: `resident memory, idle, ${SENSORS} serial sensors on pseudo terminals, broker up`,
  reach: `<= ${RATIO_MAX} x`,
  against: "Node with the same packages loaded and nothing done",
  async run(effort) {
    const pairs: { nodeMb: number; packagesMb: number }[] = [];
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) {
      const settled = withNode(async (_node, process) => {
        await wait(MEMORY_SETTLE_MS);
        return process.residentMb();
      });
      const [nodeMb, packagesMb] = await Promise.all([settled, packagesOnlyMb()]);
      pairs.push({ nodeMb, packagesMb });
    }
    const ratio = median(pairs.map(({ nodeMb, packagesMb }) => nodeMb / packagesMb));
    return {
      measured: `${median(pairs.map(({ nodeMb }) => nodeMb)).toFixed(1)} MB`,
      baseline: `${median(pairs.map(({ packagesMb }) => packagesMb)).toFixed(1)} MB`,
      ratio,
      isReached: ratio <= RATIO_MAX,
      details: { sensors: SENSORS, settleMs: MEMORY_SETTLE_MS, pairs },
    };
  },
};

async function cpuPercent(effort: Effort): Promise<number> {
  const seconds = effort.of(60, 30);
  return await withNode(async ({ lines }, process) => {
    const before = process.cpuSeconds();
    const startedMs = performance.now();
    for (let second = 0; second < seconds; second++) {
      // Spread over the second, as sensors are that know nothing of each other.
      for (const [index, pty] of lines.entries()) {
        await wait(startedMs + second * 1_000 + (index * 1_000) / lines.length - performance.now());
        await pty.feed(line(second));
      }
    }
    return (100 * (process.cpuSeconds() - before) * 1_000) / (performance.now() - startedMs);
  });
}

export const idleCpuRow: Row = {
  name: "cpu-idle",
  what: `CPU with ${SENSORS} serial sensors at 1 line (2 readings) a second each, on pseudo terminals`,
  reach: `<= ${CPU_PERCENT_MAX} %`,
  against: "one core",
  async run(effort) {
    const percents: number[] = [];
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) percents.push(await cpuPercent(effort));
    const percent = median(percents);
    return {
      measured: `${percent.toFixed(2)} %`,
      baseline: null,
      ratio: null,
      isReached: percent <= CPU_PERCENT_MAX,
      details: { sensors: SENSORS, percents },
    };
  },
};
