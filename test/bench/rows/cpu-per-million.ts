import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startMosquitto } from "../../support/mosquitto.ts";
import { openPtyPair, type PtyPair } from "../../support/pty.ts";
import { type Received, Subscriber } from "../../support/subscriber.ts";
import { Watched } from "../child.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";
import { diskFolder } from "../world/bench-world.ts";
import { line, READINGS_PER_LINE, realNode } from "../world/real-node.ts";

const REACH_SECONDS = 3;
const PLAIN_SCRIPT = fileURLToPath(new URL("../children/plain-script.js", import.meta.url));
const LINES_PER_SECOND = 50_000;
const CHUNK_MS = 10;
const SUMMARIES_MS_MAX = 60_000;
const START_MS = 3_000;

const wait = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** CPU seconds of `process` for a million readings, from the first line to the last summary; every reading must be in one. */
async function secondsPerMillion(process: Watched, pty: PtyPair, witness: Subscriber, lines: number): Promise<number> {
  const linesPerChunk = (LINES_PER_SECOND * CHUNK_MS) / 1_000;
  const chunk = Buffer.from(Array.from({ length: linesPerChunk }, (_, number) => line(number)).join(""));
  const fed = lines * READINGS_PER_LINE;
  const before = process.cpuSeconds();
  const startedMs = performance.now();
  for (let sent = 0; sent < lines; sent += linesPerChunk) {
    await pty.feed(chunk);
    await wait(startedMs + ((sent + linesPerChunk) * 1_000) / LINES_PER_SECOND - performance.now());
  }
  await witness.waitFor((messages) => samplesIn(messages) >= fed, SUMMARIES_MS_MAX);
  const samples = samplesIn(witness.messages);
  if (samples !== fed) throw new Error(`${fed} readings fed, ${samples} in summaries`);
  return ((process.cpuSeconds() - before) * 1e6) / fed;
}

function samplesIn(messages: readonly Received[]): number {
  return messages.reduce((sum, { payload }) => {
    const { stats } = JSON.parse(payload.toString("utf8")) as { stats?: { samples: number } };
    return sum + (stats?.samples ?? 0);
  }, 0);
}

async function stoep(url: string, lines: number): Promise<number> {
  const node = await realNode({ sensors: 1, url, window: "10s" });
  const witness = await Subscriber.start(url, "bench/bench/+/+/summary");
  const process = node.start();
  await wait(START_MS);
  const pty = node.lines[0];
  if (pty === undefined) throw new Error("a node with one sensor has one line");
  try {
    return await secondsPerMillion(process, pty, witness, lines);
  } finally {
    await process.stop();
    await witness.stop();
    await node.dispose();
  }
}

async function plainScript(url: string, lines: number): Promise<number> {
  const pty = await openPtyPair();
  const witness = await Subscriber.start(url, "bench/plain/#");
  const process = new Watched([PLAIN_SCRIPT, pty.path, url, join(diskFolder(), "plain.db")]);
  await wait(START_MS);
  try {
    return await secondsPerMillion(process, pty, witness, lines);
  } finally {
    await process.stop();
    await witness.stop();
    await pty.dispose();
  }
}

export const cpuPerMillionRow: Row = {
  name: "cpu-million",
  what: `CPU for a million readings, JSON lines over a pseudo terminal at ${(LINES_PER_SECOND * READINGS_PER_LINE) / 1_000} k readings/s`,
  reach: `<= ${REACH_SECONDS} s`,
  against: "a script without any promise: serialport, better-sqlite3 (batched), MQTT.js",
  async run(effort) {
    const mosquitto = await startMosquitto();
    const lines = LINES_PER_SECOND * effort.of(10, 4);
    const pairs: { stoepSeconds: number; plainSeconds: number }[] = [];
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) {
      const stoepSeconds = await stoep(mosquitto.url, lines);
      pairs.push({ stoepSeconds, plainSeconds: await plainScript(mosquitto.url, lines) });
      effort.say(`${stoepSeconds.toFixed(2)} s`);
    }
    await mosquitto.stop();
    const seconds = median(pairs.map(({ stoepSeconds }) => stoepSeconds));
    return {
      measured: `${seconds.toFixed(2)} s`,
      baseline: `${median(pairs.map(({ plainSeconds }) => plainSeconds)).toFixed(2)} s`,
      ratio: median(pairs.map(({ stoepSeconds, plainSeconds }) => stoepSeconds / plainSeconds)),
      isReached: seconds <= REACH_SECONDS,
      details: { lines, readingsPerLine: READINGS_PER_LINE, linesPerSecond: LINES_PER_SECOND, window: "10s", pairs },
    };
  },
};
