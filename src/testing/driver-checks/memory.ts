import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { monotonicMs } from "../../core/units/time.ts";
import type { BusEvent, Driver, SessionSink } from "../../driver-api/driver.ts";
import type { Conversation, Finding } from "./evidence.ts";
import type { Seeded } from "./seeded.ts";

/** One round of input; the first warms up, growth over the others is what counts. */
const ROUND_BYTES = 1_000_000;
const ROUNDS = 2;
const EVENT_BYTES = 250;
/** An edge is about this much input. */
const EDGES_PER_ROUND = 50_000;
/** What the heap may grow by over the rounds: an eighth of what was fed, and far above the noise of the collector. */
const GROWTH_BYTES_MAX = (ROUNDS * ROUND_BYTES) / 8;

/** Bytes that are still reachable. The collector is asked first, or the figure would mean nothing. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const nothing = (): void => {};
const DEAF_SINK: SessionSink = {
  reading: nothing,
  passage: nothing,
  total: nothing,
  identity: nothing,
  request: nothing,
  write: nothing,
  reopen: nothing,
  signal: nothing,
  expect: nothing,
  about: nothing,
  timer: nothing,
  discard: nothing,
  fault: nothing,
};

function* feed(driver: Driver, pattern: Uint8Array, round: number): Generator<BusEvent> {
  const startMs = round * 1e9;
  if (driver.port === "gpio") {
    for (let edge = 0; edge < EDGES_PER_ROUND; edge++) {
      const at = startMs + edge;
      yield {
        type: "edge",
        atMs: monotonicMs(at),
        line: driver.lines?.[0] ?? "line",
        rising: edge % 2 === 0,
        atNs: BigInt(at) * 1_000_000n,
      };
    }
    return;
  }
  const buffer = new Uint8Array(EVENT_BYTES);
  for (let at = 0; at < ROUND_BYTES; at += EVENT_BYTES) {
    for (let byte = 0; byte < EVENT_BYTES; byte++) buffer[byte] = pattern[(at + byte) % pattern.length] ?? 0;
    yield { type: "bytes", atMs: monotonicMs(startMs + at / 10), data: buffer };
  }
}

/** Streams that make a careless driver collect: no end in sight, a frame that never becomes whole, noise, and honest traffic. */
function patternsOf(conversations: readonly Conversation[], random: Seeded): [name: string, pattern: Uint8Array][] {
  const frames = conversations.flatMap(({ file }) => file.steps.flatMap(({ event }) => (event.type === "bytes" ? [event.data] : [])));
  const frame = frames.find(({ length }) => length > 1) ?? Uint8Array.of(0);
  return [
    ["a line without an end", Uint8Array.of(0x78)],
    ["half a frame, again and again", frame.subarray(0, Math.ceil(frame.length / 2))],
    ["random bytes", random.bytes(4_093)],
    ["its own frames", Uint8Array.from(frames.flatMap((each) => [...each]))],
  ];
}

/** Feeds megabytes that never become a frame, and megabytes that do: what a session holds must not grow with what it was fed. */
export function checkMemory(driver: Driver, conversations: readonly Conversation[], random: Seeded): Finding[] {
  const [first] = conversations;
  if (first === undefined || driver.port === "simulator") return [];
  return patternsOf(conversations, random).flatMap(([where, pattern]): Finding[] => {
    const session = driver.start(first.options);
    const play = (round: number): void => {
      for (const event of feed(driver, pattern, round)) session.handle(event, DEAF_SINK);
    };
    try {
      session.handle({ type: "opened", atMs: monotonicMs(0), settings: {} }, DEAF_SINK);
      play(0);
      const before = heldBytes();
      for (let round = 1; round <= ROUNDS; round++) play(round);
      const grown = heldBytes() - before;
      // Keeps the session, and with it what it holds, alive until here.
      session.handle({ type: "closed", atMs: monotonicMs((ROUNDS + 1) * 1e9), reason: "end" }, DEAF_SINK);
      if (grown <= GROWTH_BYTES_MAX) return [];
      return [{ check: "memory", where, message: `holds ${grown} bytes more after ${ROUNDS} rounds of ${ROUND_BYTES} bytes` }];
    } catch (error) {
      return [{ check: "memory", where, message: `threw ${String(error)}` }];
    }
  });
}
