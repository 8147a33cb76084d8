import { rmSync } from "node:fs";
import { join } from "node:path";
import { startMosquitto } from "../../support/mosquitto.ts";
import { Subscriber } from "../../support/subscriber.ts";
import { measure, type Watched } from "../child.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";
import { diskFolder } from "../world/bench-world.ts";
import { realNode } from "../world/real-node.ts";

const REACH_MB = 10;
/** node-cron loads the calendars of the world, 8 MB, when it looks for the first time after a full minute: within 80 s. */
const SETTLE_MS = 85_000;
/** A node whose broker was away tries again within five minutes. */
const RETURN_MS_MAX = 310_000;
const SAMPLES = 20;
const SAMPLE_MS = 1_000;
const SENSORS = 20;

const wait = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** A node at work whose broker is away. */
interface Waiting {
  readonly process: Watched;
  /** Resolves when the node has come back to its broker. */
  bringBroker(): Promise<void>;
  dispose(): Promise<void>;
}

async function startWaiting(storage: string): Promise<Waiting> {
  const mosquitto = await startMosquitto();
  await mosquitto.kill9();
  const node = await realNode({ sensors: SENSORS, url: mosquitto.url, window: "5m", storage });
  const process = node.start();
  return {
    process,
    async bringBroker() {
      await mosquitto.restart();
      const witness = await Subscriber.start(mosquitto.url, "bench/+/status");
      await witness.waitFor((messages) => messages.length > 0, RETURN_MS_MAX);
      await witness.stop();
    },
    async dispose() {
      await process.stop();
      await node.dispose();
      await mosquitto.stop();
    },
  };
}

/** Megabytes of an empty node, and what the full one has beyond it. */
interface Beyond {
  readonly emptyMb: number;
  /** The broker is away. */
  readonly waitingMb: number;
  /** The broker is back, and the backlog is on its way at full speed: the worst second. */
  readonly drainingMb: number;
}

async function beyond(fullStorage: string, emptyStorage: string): Promise<Beyond> {
  const [full, empty] = [await startWaiting(fullStorage), await startWaiting(emptyStorage)];
  try {
    await wait(SETTLE_MS);
    const emptyMb = empty.process.residentMb();
    const waitingMb = full.process.residentMb() - emptyMb;
    await Promise.all([full.bringBroker(), empty.bringBroker()]);
    let drainingMb = Number.NEGATIVE_INFINITY;
    for (let sample = 0; sample < SAMPLES; sample++) {
      await wait(SAMPLE_MS);
      drainingMb = Math.max(drainingMb, full.process.residentMb() - empty.process.residentMb());
    }
    return { emptyMb, waitingMb, drainingMb };
  } finally {
    await full.dispose();
    await empty.dispose();
  }
}

const signed = (mb: number): string => `${mb < 0 ? "" : "+"}${mb.toFixed(1)}`;

/** Weeks without a broker must not cost memory, and neither must their end. */
export const backlogRow: Row = {
  name: "memory-backlog",
  what: "resident memory with a backlog of 1,000,000 summaries, broker away, and while it drains",
  reach: `<= +${REACH_MB} MB`,
  against: "the same node with an empty outbox",
  async run(effort) {
    const folder = diskFolder();
    const full = join(folder, "full");
    const backlog = await measure<object>("build-backlog", { directory: full, rows: effort.of(1_000_000, 50_000) });
    effort.say("the backlog is built");
    const runs: Beyond[] = [];
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) runs.push(await beyond(full, join(folder, `empty-${repeat}`)));
    rmSync(folder, { recursive: true });
    const waitingMb = median(runs.map((run) => run.waitingMb));
    const drainingMb = median(runs.map((run) => run.drainingMb));
    return {
      measured: `${signed(waitingMb)} MB, ${signed(drainingMb)} MB while it drains`,
      baseline: `${median(runs.map(({ emptyMb }) => emptyMb)).toFixed(1)} MB`,
      ratio: null,
      isReached: Math.max(waitingMb, drainingMb) <= REACH_MB,
      details: { ...backlog, settleMs: SETTLE_MS, sampleMs: SAMPLE_MS, samples: SAMPLES, runs },
    };
  },
};
