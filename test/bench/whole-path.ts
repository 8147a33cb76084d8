import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Node } from "../../src/runtime/node.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { benchPlan, benchWorld } from "./bench-world.ts";
import { frame } from "./frames.ts";

export interface WholePathResult {
  readonly readings: number;
  readonly summaries: number;
  readonly seconds: number;
  readonly perSecond: number;
}

export interface WholePathOptions {
  readonly streams: number;
  readonly readingsPerSummary: number;
  readonly summariesPerStream: number;
  readonly bytesPerEvent: number;
  readonly brokerConfig: readonly string[];
  readonly inFlightMax: number;
}

const WINDOW_MS = 10_000;
const FRAME_BYTES = 10;
/** Summaries that may wait for the broker before the bench holds its breath: the readings stay the bottleneck, not memory. */
const PENDING_MAX = 500;

/** Bytes in to summary acknowledged by a real mosquitto, in one process. The clock is virtual, everything else is real. */
export async function wholePath(options: WholePathOptions): Promise<WholePathResult> {
  const directory = mkdtempSync("/tmp/stoep-bench-");
  const liveDirectory = mkdtempSync("/dev/shm/stoep-bench-");
  const mosquitto = await startMosquitto({ config: options.brokerConfig });
  try {
    const sensors = options.streams / 2;
    const plan = await benchPlan({ sensors, windowMs: WINDOW_MS, url: mosquitto.url, directory, inFlightMax: options.inFlightMax });
    const { world, clock, bus } = await benchWorld(plan, liveDirectory);
    const node = await Node.start(plan, world, { identity: { version: "bench", configRev: "bench", bootId: "bench", outboxHours: null } });
    await clock.advance(1);
    while (!node.status().connection.isUp) await clock.breathe();
    await clock.advance(WINDOW_MS - ((clock.wallMs() + 1_000) % WINDOW_MS)); // begin where a window begins
    const framesPerEvent = Math.max(1, Math.floor(options.bytesPerEvent / FRAME_BYTES));
    const events = options.readingsPerSummary / framesPerEvent;
    const stepMs = WINDOW_MS / events;
    const data = Buffer.concat(Array.from({ length: framesPerEvent }, (_, index) => frame(123 + index, 261 + index)));
    const before = world.outbox.standing().lastSeq;
    const startedAt = process.hrtime.bigint();
    for (let step = 0; step < events * options.summariesPerStream; step++) {
      for (const listener of bus.listeners) listener({ type: "bytes", data });
      await clock.advance(stepMs);
      if (step % 10 === 0) await clock.breathe();
      while (world.outbox.standing().pendingRows > PENDING_MAX) {
        await clock.advance(0.001);
        await clock.breathe();
      }
    }
    await clock.advance(2_000);
    while (world.outbox.standing().pendingRows > 0) {
      await clock.advance(100);
      await clock.breathe();
    }
    const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
    const summaries = world.outbox.standing().lastSeq - before;
    const stopped = node.stop("done");
    const drive = setInterval(() => void clock.advance(100), 1); // a stop waits on the clock of the bench
    await stopped;
    clearInterval(drive);
    const readings = events * options.summariesPerStream * framesPerEvent * options.streams;
    return { readings, summaries, seconds, perSecond: readings / seconds };
  } finally {
    await mosquitto.stop();
    rmSync(directory, { recursive: true });
    rmSync(liveDirectory, { recursive: true });
  }
}

/** The baseline of every ratio: bare better-sqlite3 row inserts, 1,000 a transaction, no index, on tmpfs. */
export async function bareInserts(rows: number): Promise<{ readonly seconds: number; readonly perSecond: number }> {
  const { default: Database } = await import("better-sqlite3");
  const directory = mkdtempSync("/dev/shm/stoep-bench-");
  const db = new Database(join(directory, "bare.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = OFF");
  db.pragma("locking_mode = EXCLUSIVE");
  db.exec("CREATE TABLE r(stream INTEGER, mono REAL, value REAL)");
  const insert = db.prepare("INSERT INTO r(stream, mono, value) VALUES (?, ?, ?)");
  const batch = db.transaction((from: number) => {
    for (let row = 0; row < 1_000; row++) insert.run(row % 50, from + row, 12.5);
  });
  const startedAt = process.hrtime.bigint();
  for (let from = 0; from < rows; from += 1_000) batch(from);
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  db.close();
  rmSync(directory, { recursive: true });
  return { seconds, perSecond: rows / seconds };
}
