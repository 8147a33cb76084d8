import { rmSync } from "node:fs";
import { join } from "node:path";
import { startMosquitto } from "../../support/mosquitto.ts";
import { measure } from "../child.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";
import { diskFolder } from "../world/bench-world.ts";
import { realNode } from "../world/real-node.ts";

const REACH_MB = 10;
const SETTLE_MS = 10_000;
const DRAIN_MS = 5_000;
const SENSORS = 20;

const wait = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

interface Resident {
  /** The broker is away. */
  readonly waitingMb: number;
  /** The broker is back, and the backlog is on its way. */
  readonly drainingMb: number;
}

async function residentMb(storage: string): Promise<Resident> {
  const mosquitto = await startMosquitto();
  await mosquitto.kill9();
  const node = await realNode({ sensors: SENSORS, url: mosquitto.url, window: "5m", storage });
  const process = node.start();
  try {
    await wait(SETTLE_MS);
    const waitingMb = process.residentMb();
    await mosquitto.restart();
    await wait(DRAIN_MS);
    return { waitingMb, drainingMb: process.residentMb() };
  } finally {
    await process.stop();
    await node.dispose();
    await mosquitto.stop();
  }
}

/** Weeks without a broker must not cost memory. */
const signed = (mb: number): string => `${mb < 0 ? "" : "+"}${mb.toFixed(1)}`;

export const backlogRow: Row = {
  name: "memory-backlog",
  what: "resident memory with a backlog of 1,000,000 summaries, broker away",
  reach: `<= +${REACH_MB} MB`,
  against: "the same node with an empty outbox",
  async run(effort) {
    const folder = diskFolder();
    const full = join(folder, "full");
    const backlog = await measure<object>("build-backlog", { directory: full, rows: effort.of(1_000_000, 50_000) });
    effort.say("the backlog is built");
    const pairs: { empty: Resident; full: Resident }[] = [];
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) {
      const empty = await residentMb(join(folder, `empty-${repeat}`));
      pairs.push({ empty, full: await residentMb(full) });
    }
    rmSync(folder, { recursive: true });
    const deltaMb = median(pairs.map((pair) => pair.full.waitingMb - pair.empty.waitingMb));
    const drainingMb = median(pairs.map((pair) => pair.full.drainingMb - pair.empty.drainingMb));
    return {
      measured: `${signed(deltaMb)} MB (while it drains ${signed(drainingMb)} MB)`,
      baseline: `${median(pairs.map(({ empty }) => empty.waitingMb)).toFixed(1)} MB`,
      ratio: null,
      // Draining costs what MQTT.js and its garbage cost at full speed, however long the backlog is.
      isReached: deltaMb <= REACH_MB,
      details: { ...backlog, settleMs: SETTLE_MS, pairs },
    };
  },
};
