import { rmSync } from "node:fs";
import { startMosquitto } from "../../support/mosquitto.ts";
import { Subscriber } from "../../support/subscriber.ts";
import { measure } from "../child.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";
import { diskFolder } from "../world/bench-world.ts";
import { realNode } from "../world/real-node.ts";

const REACH_MS = 2_000;
const PUBLISH_WAIT_MS = 60_000;
const REPEATS = 3;
const SMALL_ROWS = 1_000;

/** Milliseconds from the start of the process to its first summary at the broker. */
async function firstSummaryMs(storage: string): Promise<number> {
  const mosquitto = await startMosquitto();
  const node = await realNode({ sensors: 1, url: mosquitto.url, window: "5m", storage });
  const witness = await Subscriber.start(mosquitto.url, "bench/bench/+/+/summary");
  const startedMs = performance.now();
  const process = node.start();
  try {
    await witness.waitFor((messages) => messages.length > 0, PUBLISH_WAIT_MS);
    return performance.now() - startedMs;
  } finally {
    await process.stop();
    await witness.stop();
    await node.dispose();
    await mosquitto.stop();
  }
}

/** After weeks without a broker a restart must not take its time over what waits. */
export const restartBacklogRow: Row = {
  name: "restart-backlog",
  what: "start to first summary at the broker, with a backlog of 1,000,000",
  reach: `<= ${REACH_MS / 1_000} s`,
  against: "the same node with a backlog of 1,000",
  async run(effort) {
    const full = diskFolder();
    const backlog = await measure<object>("build-backlog", { directory: full, rows: effort.of(1_000_000, 50_000) });
    effort.say("the backlog is built");
    const fullMs: number[] = [];
    const smallMs: number[] = [];
    for (let repeat = 0; repeat < effort.of(REPEATS, 1); repeat++) {
      fullMs.push(await firstSummaryMs(full));
      const small = diskFolder(); // it is drained each time
      await measure<object>("build-backlog", { directory: small, rows: SMALL_ROWS });
      smallMs.push(await firstSummaryMs(small));
      rmSync(small, { recursive: true });
    }
    rmSync(full, { recursive: true });
    const ms = median(fullMs);
    return {
      measured: `${(ms / 1_000).toFixed(2)} s`,
      baseline: `${(median(smallMs) / 1_000).toFixed(2)} s`,
      ratio: ms / median(smallMs),
      isReached: ms <= REACH_MS,
      details: { ...backlog, fullMs, smallMs },
    };
  },
};
