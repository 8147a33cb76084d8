import { execFileSync } from "node:child_process";
import { startMosquitto } from "../../support/mosquitto.ts";
import { Subscriber } from "../../support/subscriber.ts";
import { measure, NODE_OPTIONS } from "../child.ts";
import { median } from "../figures.ts";
import type { Effort, Row } from "../row.ts";
import { line, realNode } from "../world/real-node.ts";

const READING_MS_MAX = 300;
const PUBLISH_MS_MAX = 500;
const FEED_EVERY_MS = 5;

interface Start {
  readonly readingMs: number;
  readonly publishMs: number;
  readonly bareMs: number;
}

/** CLOCK_MONOTONIC, the same in every process. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

async function starts(repeats: number): Promise<readonly Start[]> {
  const result: Start[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const mosquitto = await startMosquitto(); // a new one: nothing is retained
    const node = await realNode({ sensors: 1, url: mosquitto.url, window: "10s" });
    let publishedMs = 0;
    const witness = await Subscriber.start(mosquitto.url, "bench/bench/#");
    let fed = 0;
    const feeding = setInterval(() => void node.lines[0]?.feed(line(fed++)), FEED_EVERY_MS);
    const startedMs = nowMs();
    const published = witness
      .waitFor((messages) => messages.length > 0, PUBLISH_WAIT_MS)
      .then(() => {
        publishedMs = nowMs();
      });
    const { firstReadingMs } = await measure<{ firstReadingMs: number }>("start", { configFile: node.configFile });
    await published;
    clearInterval(feeding);
    await witness.stop();
    await node.dispose();
    await mosquitto.stop();
    const bareStartedMs = nowMs();
    execFileSync(process.execPath, [...NODE_OPTIONS, "-e", "0"]);
    result.push({ readingMs: firstReadingMs - startedMs, publishMs: publishedMs - startedMs, bareMs: nowMs() - bareStartedMs });
  }
  return result;
}

const PUBLISH_WAIT_MS = 20_000;
let measured: Promise<readonly Start[]> | null = null;

/** Both rows come from the same starts. */
function measuredOnce(effort: Effort): Promise<readonly Start[]> {
  measured ??= starts(effort.of(15, 5));
  return measured;
}

function startRow(name: string, what: string, maxMs: number, of: (start: Start) => number): Row {
  return {
    name,
    what,
    reach: `<= ${maxMs / 1_000} s`,
    against: "node -e 0",
    async run(effort) {
      const all = await measuredOnce(effort);
      const ms = median(all.map(of));
      const bareMs = median(all.map((start) => start.bareMs));
      return {
        measured: `${(ms / 1_000).toFixed(3)} s`,
        baseline: `${(bareMs / 1_000).toFixed(3)} s`,
        ratio: ms / bareMs,
        isReached: ms <= maxMs,
        details: { starts: all, feedEveryMs: FEED_EVERY_MS },
      };
    },
  };
}

export const startRows: readonly Row[] = [
  startRow("start-reading", "start to first reading accepted, one serial sensor", READING_MS_MAX, ({ readingMs }) => readingMs),
  startRow("start-publish", "start to first publish at a subscriber", PUBLISH_MS_MAX, ({ publishMs }) => publishMs),
];
