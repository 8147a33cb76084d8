import { type MonotonicMs, monotonicMs } from "../core/units/time.ts";
import type { BusEvent, Driver } from "../driver-api/driver.ts";
import { type Answer, formatGolden, GOLDEN_HEADER, type GoldenFile, mergeDiscards, recordingSink } from "../driver-api/golden.ts";
import type { Mistakes } from "./capture-source.ts";

export interface CaseOptions {
  /** What the capture is called. */
  readonly name: string;
  readonly file: GoldenFile;
  readonly driver: Driver;
  /** Which part of it, counted from its beginning. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface GoldenCase {
  readonly text: string;
  readonly events: number;
  readonly answers: number;
}

/** A driver that sets a timer to nothing in answer to that timer would never end. */
const TIMERS_MAX = 10_000;
const NS_PER_MS = 1e6;

interface Step {
  readonly line: number;
  readonly event: BusEvent;
  readonly expected: readonly Answer[];
}

/**
 * What came in between two times, with what the driver answers to it. The case stands on its own: it begins with the port as it stood
 * open. Timers that the driver sets are in it where they are due, as a golden file has them.
 */
export function goldenCase({ name, file, driver, fromMs, toMs }: CaseOptions): GoldenCase | Mistakes {
  const options = driver.options.safeParse(file.options);
  if (!options.success) return { mistakes: [`${name}: the driver refuses the options: ${options.error.message}`] };
  const events = partOf(file, fromMs, toMs);
  if (events.length === 0) return { mistakes: [`${name}: there is nothing between these times`] };
  const played = playedTo(driver, options.data, events, toMs - fromMs);
  if (typeof played === "string") return { mistakes: [`${name}: the driver threw, which is a bug of the driver: ${played}`] };
  const [, ...lines] = formatGolden({ options: file.options, steps: played }).split("\n");
  const note = [
    `# Made by stoep golden from ${name}. Each answer is what driver ${driver.name} says now, right or wrong:`,
    "# hold it against the manual, put it right where it is wrong, and then say here what this case shows.",
  ];
  const answers = played.reduce((sum, { expected }) => sum + expected.length, 0);
  return { text: [GOLDEN_HEADER, ...note, ...lines].join("\n"), events: played.length, answers };
}

/** The events between two times, at the times since the first of them; before them how the port was opened. */
function partOf({ steps }: GoldenFile, fromMs: number, toMs: number): readonly BusEvent[] {
  const within = steps.map(({ event }) => event).filter(({ type, atMs }) => type !== "timer" && atMs >= fromMs && atMs <= toMs);
  const [first] = within;
  if (first === undefined) return [];
  const isOpened = first.type === "opened";
  const before = steps.map(({ event }) => event).filter(({ type, atMs }) => type === "opened" && atMs <= fromMs);
  const opened: BusEvent = before.at(-1) ?? { type: "opened", atMs: monotonicMs(0), settings: {} };
  return [...(isOpened ? [] : [shifted(opened, opened.atMs)]), ...within.map((event) => shifted(event, fromMs))];
}

function shifted(event: BusEvent, byMs: number): BusEvent {
  const atMs = monotonicMs(event.atMs - byMs);
  return event.type === "edge" ? { ...event, atMs, atNs: BigInt(Math.round(atMs * NS_PER_MS)) } : { ...event, atMs };
}

/** Plays events to a new session, and the timers that it sets up to the end; or what it threw. */
function playedTo(driver: Driver, options: unknown, events: readonly BusEvent[], lengthMs: number): readonly Step[] | string {
  const steps: Step[] = [];
  const timers = new Map<string, MonotonicMs>();
  let answers: Answer[] = [];
  const sink = recordingSink((answer) => answers.push(answer));
  const tell = (event: BusEvent): void => {
    answers = [];
    // As the runtime does before it tells that a port is closed.
    if (event.type === "closed") timers.clear();
    session.handle(event, sink);
    for (const answer of answers) {
      if (answer.call !== "timer") continue;
      if (answer.afterMs === null) timers.delete(answer.name);
      else timers.set(answer.name, monotonicMs(event.atMs + answer.afterMs));
    }
    steps.push({ line: 0, event, expected: mergeDiscards(answers) });
  };
  const fire = (untilMs: number): void => {
    for (let fired = 0; fired < TIMERS_MAX; fired++) {
      const [next] = [...timers].sort(([, one], [, other]) => one - other);
      if (next === undefined || next[1] > untilMs) return;
      timers.delete(next[0]);
      tell({ type: "timer", atMs: next[1], name: next[0] });
    }
  };
  const session = driver.start(options);
  try {
    for (const event of events) {
      fire(event.atMs);
      tell(event);
    }
    if (Number.isFinite(lengthMs)) fire(lengthMs);
    return steps;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
