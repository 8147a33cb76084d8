import { type MonotonicMs, monotonicMs } from "../../core/units/time.ts";
import type { BusEvent, Driver } from "../../driver-api/driver.ts";
import { formatAnswer, formatEvent } from "../../driver-api/golden.ts";
import { answerProblem, type Conversation, type Finding, isData, Subject } from "./evidence.ts";
import { playWithTimers, repeated } from "./playback.ts";
import type { Seeded } from "./seeded.ts";

/** A session sees this many random events before the next one starts afresh. */
const EVENTS_PER_SESSION = 500;
const RANDOM_BYTES_MAX = 64;
const PAUSE_MS_MAX = 2_000;
const UNKNOWN = "no-such-name";

/** What random events are made of: the driver's own frames, and names that it knows. */
interface Stock {
  readonly frames: readonly Uint8Array[];
  readonly timers: readonly string[];
  readonly tags: readonly string[];
  readonly lines: readonly string[];
}

function stockOf(driver: Driver, conversations: readonly Conversation[]): Stock {
  const events = conversations.flatMap(({ file }) => file.steps.map(({ event }) => event));
  const answers = conversations.flatMap(({ file }) => file.steps.flatMap(({ expected }) => expected));
  return {
    frames: events.flatMap((event) => (event.type === "bytes" || event.type === "reply" ? [event.data] : [])),
    timers: [UNKNOWN, ...new Set(answers.flatMap((answer) => (answer.call === "timer" ? [answer.name] : [])))],
    tags: [UNKNOWN, ...new Set(answers.flatMap((answer) => (answer.call === "request" ? [answer.tag] : [])))],
    lines: [UNKNOWN, ...(driver.lines ?? ["line"])],
  };
}

const NO_REPLIES = [{ reason: "timeout" }, { reason: "busy" }, { reason: "exception" }, { reason: "exception", code: 2 }] as const;

const oneOf = <T>(items: readonly T[], random: Seeded): T | undefined => items[random.below(items.length)];

/** A frame of the driver's own, mostly damaged: cut short, a byte changed, or run into the next one. */
function bytesFrom(frames: readonly Uint8Array[], random: Seeded): Uint8Array {
  const frame = oneOf(frames, random)?.slice();
  if (frame === undefined || frame.length === 0) return random.bytes(random.below(RANDOM_BYTES_MAX));
  switch (random.below(5)) {
    case 0:
      return random.bytes(random.below(RANDOM_BYTES_MAX));
    case 1:
      return frame.subarray(0, random.below(frame.length));
    case 2:
      frame[random.below(frame.length)] = random.below(256);
      return frame;
    case 3:
      return Uint8Array.from([...frame.subarray(random.below(frame.length)), ...(oneOf(frames, random) ?? [])]);
    default:
      return frame;
  }
}

function randomEvent(stock: Stock, atMs: MonotonicMs, random: Seeded): BusEvent {
  const data = bytesFrom(stock.frames, random);
  const tag = oneOf(stock.tags, random) ?? UNKNOWN;
  switch (random.below(16)) {
    case 0:
      return { type: "opened", atMs, settings: random.below(2) === 0 ? {} : { lines: { line: { high: random.below(2) === 0 } } } };
    case 1:
      return { type: "closed", atMs, reason: "gone" };
    case 2:
      return { type: "reply", atMs, tag, data };
    case 3:
      return { type: "noReply", atMs, tag, ...NO_REPLIES[random.below(NO_REPLIES.length)] } as BusEvent;
    case 4:
    case 5:
      return { type: "timer", atMs, name: oneOf(stock.timers, random) ?? UNKNOWN };
    case 6:
    case 7:
      return {
        type: "edge",
        atMs,
        line: oneOf(stock.lines, random) ?? UNKNOWN,
        rising: random.below(2) === 0,
        atNs: BigInt(atMs) * 1_000_000n,
      };
    default:
      return { type: "bytes", atMs, data };
  }
}

/** Throws random events at the driver: no exception, and no answer that could never be right. */
export function checkRandomInputs(driver: Driver, conversations: readonly Conversation[], inputs: number, random: Seeded): Finding[] {
  const stock = stockOf(driver, conversations);
  for (let done = 0, session = 0; done < inputs; session++) {
    const conversation = conversations[session % Math.max(conversations.length, 1)];
    if (conversation === undefined) return [];
    const subject = new Subject(driver, conversation.options);
    let atMs = monotonicMs(0);
    for (let event = 0; event < EVENTS_PER_SESSION && done < inputs; event++, done++) {
      const sinceMs = random.below(PAUSE_MS_MAX);
      atMs = monotonicMs(atMs + sinceMs);
      const input = randomEvent(stock, atMs, random);
      const { answers, thrown } = subject.tell(input);
      const problem =
        thrown === null ? answers.map((answer) => answerProblem(answer, conversation.channels)).find((each) => each) : `threw ${thrown}`;
      if (problem) return [{ check: "random", where: `input ${done + 1}`, message: `${problem}, after ${formatEvent(input, sinceMs)}` }];
    }
  }
  return [];
}

/** Events with names that nobody gave, and an event of the future: each must be answered with nothing. */
export function checkUnknownEvents(driver: Driver, conversation: Conversation): Finding[] {
  const atMs = monotonicMs(1);
  const unknown: readonly BusEvent[] = [
    { type: "timer", atMs, name: UNKNOWN },
    { type: "reply", atMs, tag: UNKNOWN, data: Uint8Array.of(1, 2, 3) },
    { type: "noReply", atMs, tag: UNKNOWN, reason: "timeout" },
    { type: "edge", atMs, line: UNKNOWN, rising: true, atNs: 1_000_000n },
    { type: "from-the-future", atMs } as unknown as BusEvent,
  ];
  return unknown.flatMap((event): Finding[] => {
    const subject = new Subject(driver, conversation.options);
    subject.tell({ type: "opened", atMs: monotonicMs(0), settings: {} });
    const { answers, thrown } = subject.tell(event);
    if (thrown === null && answers.length === 0) return [];
    const message = thrown === null ? `answered with "${answers.map(formatAnswer).join('", "')}"` : `threw ${thrown}`;
    return [{ check: "unknown-event", where: event.type, message }];
  });
}

/** What other drivers' devices say must mean nothing to this one. */
export function checkForeign(driver: Driver, options: unknown, foreign: readonly Conversation[]): Finding[] {
  // An edge looks the same whoever made it, and a simulator listens to nobody.
  if (driver.generic === true || driver.port === "gpio" || driver.port === "simulator") return [];
  return foreign.flatMap((capture): Finding[] => {
    const { answers, thrown } = playWithTimers(new Subject(driver, options), repeated(capture, 1), PAUSE_MS_MAX);
    if (thrown !== null) return [{ check: "foreign", where: capture.name, message: `threw ${thrown}` }];
    const data = answers.flat().filter(isData);
    const [first] = data;
    return first
      ? [{ check: "foreign", where: capture.name, message: `answered ${data.length} times, first "${formatAnswer(first)}"` }]
      : [];
  });
}
