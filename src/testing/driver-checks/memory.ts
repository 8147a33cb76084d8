import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { monotonicMs } from "../../core/units/time.ts";
import type { BusEvent, Driver, SessionSink } from "../../driver-api/driver.ts";
import type { Conversation, Finding } from "./evidence.ts";
import type { Seeded } from "./seeded.ts";

/** After how many rounds of input the growth is looked at, the round that warms up not counted. Only suspicion asks for the later one. */
const LOOKS_AFTER_ROUNDS = [2, 8] as const;
const EVENT_BYTES = 250;
/** An edge counts as this much input. */
const EDGE_BYTES = 20;
/**
 * What the heap may grow by over the rounds: a quarter of what was fed. The collector and the compiler alone move it by up to a
 * few hundred kilobytes; a driver that keeps what it is fed, or an object per frame, is far above.
 */
const GROWTH_SHARE_MAX = 1 / 4;

/** Bytes that are still reachable. The collector is asked first, or the figure would mean nothing. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") {
    // What the first collection finalises is free after the second.
    collect();
    collect();
  }
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

/** A round's worth of a pattern. */
function roundOf(pattern: Uint8Array, roundBytes: number): Uint8Array {
  const bytes = new Uint8Array(roundBytes);
  bytes.set(pattern.subarray(0, roundBytes));
  for (let filled = pattern.length; filled < roundBytes && filled > 0; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

function* feed(driver: Driver, bytes: Uint8Array, round: number, tags: readonly string[]): Generator<BusEvent> {
  const startMs = round * 1e9;
  if (driver.port === "gpio") {
    for (let edge = 0; edge < bytes.length / EDGE_BYTES; edge++) {
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
  if (driver.port === "modbus") {
    for (let at = 0; at < bytes.length; at += EVENT_BYTES) {
      const tag = tags[(at / EVENT_BYTES) % tags.length] ?? `tag-${at}`;
      yield { type: "reply", atMs: monotonicMs(startMs + at / 10), tag, data: bytes.subarray(at, at + EVENT_BYTES) };
    }
    return;
  }
  for (let at = 0; at < bytes.length; at += EVENT_BYTES) {
    yield { type: "bytes", atMs: monotonicMs(startMs + at / 10), data: bytes.subarray(at, at + EVENT_BYTES) };
  }
}

/** Streams that make a careless driver collect: no end in sight, a frame that never becomes whole, noise, and honest traffic. */
function patternsOf(conversations: readonly Conversation[], random: Seeded): [name: string, pattern: Uint8Array][] {
  const frames = conversations.flatMap(({ file }) =>
    file.steps.flatMap(({ event }) => (event.type === "bytes" || event.type === "reply" ? [event.data] : [])),
  );
  const frame = frames.find(({ length }) => length > 1) ?? Uint8Array.of(0);
  return [
    ["a line without an end", Uint8Array.of(0x78)],
    ["half a frame, again and again", frame.subarray(0, Math.ceil(frame.length / 2))],
    ["random bytes", random.bytes(4_093)],
    ["its own frames", Uint8Array.from(frames.flatMap((each) => [...each]))],
  ];
}

/** Feeds megabytes that never become a frame, and megabytes that do: what a session holds must not grow with what it was fed. */
export function checkMemory(driver: Driver, conversations: readonly Conversation[], roundBytes: number, random: Seeded): Finding[] {
  const [first] = conversations;
  if (first === undefined || driver.port === "simulator" || roundBytes === 0) return [];
  const asked = conversations.flatMap(({ file }) => file.steps.flatMap(({ expected }) => expected));
  const tags = asked.flatMap((answer) => (answer.call === "request" ? [answer.tag] : []));
  return patternsOf(conversations, random).flatMap(([where, pattern]): Finding[] => {
    const session = driver.start(first.options);
    const bytes = roundOf(pattern, roundBytes);
    const play = (round: number): void => {
      for (const event of feed(driver, bytes, round, tags)) session.handle(event, DEAF_SINK);
    };
    try {
      session.handle({ type: "opened", atMs: monotonicMs(0), settings: {} }, DEAF_SINK);
      play(0);
      const before = heldBytes();
      let round = 0;
      let grown = 0;
      for (const rounds of LOOKS_AFTER_ROUNDS) {
        while (round < rounds) play(++round);
        grown = heldBytes() - before;
        if (grown <= round * roundBytes * GROWTH_SHARE_MAX) break;
      }
      // Keeps the session, and with it what it holds, alive until here.
      session.handle({ type: "closed", atMs: monotonicMs((round + 1) * 1e9), reason: "end" }, DEAF_SINK);
      if (grown <= round * roundBytes * GROWTH_SHARE_MAX) return [];
      return [{ check: "memory", where, message: `holds ${grown} bytes more after ${round} rounds of ${roundBytes} bytes` }];
    } catch (error) {
      return [{ check: "memory", where, message: `threw ${String(error)}` }];
    }
  });
}
