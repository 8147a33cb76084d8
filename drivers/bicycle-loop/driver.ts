import type { BusEvent, ChannelSpec, Direction, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The two loops, in the order in which somebody who comes towards the sensor crosses them. */
const FIRST = "first";
const SECOND = "second";
const LINES = [FIRST, SECOND] as const;
type Line = (typeof LINES)[number];
const PASSAGES = "passages";
const NS_PER_MS = 1_000_000n;
/**
 * Longest way from one loop to the other. Chosen, from no document: loops a metre apart are crossed in 0.7 s at 5 km/h, and 1.5 s
 * leave room for a pedestrian's pace.
 */
const PAIR_MS = 1_500;
const PAIR_MS_MAX = 10_000;
/** How long after a passage closures still belong to it. Chosen, from no document; a closure lasts 50 to 200 ms (sensor reference §C14). */
const HOLD_OFF_MS = 400;
const HOLD_OFF_MS_MAX = 5_000;

const CHANNELS: readonly ChannelSpec[] = [
  {
    name: PASSAGES,
    quantity: "passages",
    unit: "1",
    range: [0, 1],
    resolution: 1,
    sensitivity: "presence",
    cells: { directions: ["towards", "away"] },
    maxPerPassage: 1,
  },
];

interface Options {
  readonly pairMs: number;
  readonly holdOffMs: number;
  readonly activeHigh: boolean;
}

/** A closure of one loop that waits for the other. */
interface Closure {
  readonly line: Line;
  readonly atNs: bigint;
}

const isLine = (name: string): name is Line => (LINES as readonly string[]).includes(name);

class BicycleLoop implements Session {
  readonly #pairNs: bigint;
  readonly #holdOffNs: bigint;
  readonly #activeHigh: boolean;
  #waiting: Closure | null = null;
  /** When the last passage was complete; null: none was. */
  #passedNs: bigint | null = null;

  constructor({ pairMs, holdOffMs, activeHigh }: Options) {
    this.#pairNs = BigInt(pairMs) * NS_PER_MS;
    this.#holdOffNs = BigInt(holdOffMs) * NS_PER_MS;
    this.#activeHigh = activeHigh;
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") {
      // An empty path at night is no fault: the ports show life, never the cyclists.
      out.expect(null);
    } else if (event.type === "closed") {
      // What waits for the other loop would be paired with somebody else.
      this.#waiting = null;
    }
    // Where a closure ends tells nothing: a long bicycle and a slow one look alike.
    else if (event.type === "edge" && isLine(event.line) && event.rising === this.#activeHigh) {
      this.#closure({ line: event.line, atNs: event.atNs }, out);
    }
  }

  #closure(closure: Closure, out: SessionSink): void {
    const sincePassageNs = this.#passedNs === null ? null : closure.atNs - this.#passedNs;
    // Lines may be told out of order; stamps from long before are of a clock that was set back, and hold nothing off.
    if (sincePassageNs !== null && sincePassageNs > -this.#holdOffNs && sincePassageNs < this.#holdOffNs) return;
    const before = this.#waiting;
    if (before === null || before.line === closure.line) {
      // Of several closures of one loop the newest waits: what was there before it has not come to the other one.
      this.#waiting = closure;
      return;
    }
    // Two lines may be told out of order; the kernel's time stamps are in order.
    const apartNs = closure.atNs - before.atNs;
    const earlier = apartNs < 0n ? closure : before;
    const later = apartNs < 0n ? before : closure;
    if (later.atNs - earlier.atNs > this.#pairNs) {
      // The earlier one never reached the other loop.
      this.#waiting = later;
      return;
    }
    this.#waiting = null;
    this.#passedNs = later.atNs;
    // At the same instant on both loops there is no direction to tell, and the cells have no place for one without.
    if (later.atNs === earlier.atNs) return;
    out.passage(PASSAGES, { direction: directionFrom(earlier.line) });
  }
}

const directionFrom = (line: Line): Direction => (line === FIRST ? "towards" : "away");

/** Two loops in a cycle path, each on a GPIO line: passages by direction. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "bicycle-loop",
  summary: "Two inductive loops in a cycle path: passages by direction",
  testedWith: "constructed edges",
  port: "gpio",
  lines: LINES,
  options: z.strictObject({
    pairMs: z
      .int()
      .min(50)
      .max(PAIR_MS_MAX)
      .default(PAIR_MS)
      .describe("One loop and then the other within this time is one passage. Milliseconds."),
    holdOffMs: z
      .int()
      .min(0)
      .max(HOLD_OFF_MS_MAX)
      .default(HOLD_OFF_MS)
      .describe("Closures this soon after a passage belong to the same object. Milliseconds."),
    activeHigh: z
      .boolean()
      .default(false)
      .describe("false: a closed relay gives a low level, as with a relay to ground and a pull-up. true: a high one."),
  }),
  channels: () => CHANNELS,
  start: (options) => new BicycleLoop(options),
});
