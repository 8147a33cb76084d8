import fc from "fast-check";
import { expect, it } from "vitest";
import { DAY_MS, durationMs, epochMs } from "../../src/core/units/time.ts";
import type { Anchoring } from "../../src/runtime/lane.ts";
import { labelWaiting } from "../../src/runtime/relabel.ts";
import type { SeenRecord } from "../support/fake-live-store.ts";
import { LaneBench } from "../support/lanes.ts";

const STREAMS = 3;
/** No window is closed. */
const anyWindow = (offsetMs: number) => ({ offsetMs, isOpen: () => true, late: () => undefined, lost: () => undefined });

interface Put {
  readonly is: "put";
  readonly stream: number;
  /** How much of the time since the last record of this stream it stands for, 0 to 1. */
  readonly share: number;
  readonly agoMs: number;
}
type Action =
  | Put
  | { readonly is: "pass"; readonly ms: number }
  | { readonly is: "advance" }
  | { readonly is: "flush" }
  | { readonly is: "close" }
  | { readonly is: "anchor"; readonly byMs: number; readonly how: Exclude<Anchoring, "first" | "return" | "lose"> };

// Quarters of a millisecond are exact in a double: the oracle may compare without a tolerance.
const ms = (max: number) => fc.nat({ max: max * 4 }).map((quarters) => quarters / 4);
const put = fc.record({
  is: fc.constant("put" as const),
  stream: fc.nat({ max: STREAMS - 1 }),
  share: fc.constantFrom(0, 0.5, 1, 1),
  agoMs: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: ms(12_000) }),
});
const calm: fc.Arbitrary<Action> = fc.oneof(
  { weight: 10, arbitrary: put },
  { weight: 6, arbitrary: fc.record({ is: fc.constant("pass" as const), ms: ms(3_000) }) },
  { weight: 2, arbitrary: fc.constant<Action>({ is: "advance" }) },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "flush" }) },
);
const wild: fc.Arbitrary<Action> = fc.oneof(
  { weight: 16, arbitrary: calm },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("pass" as const), ms: ms(45_000) }) },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "close" }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("anchor" as const),
      how: fc.constant("adopt" as const),
      byMs: fc.integer({ min: -500, max: 500 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("anchor" as const),
      how: fc.constant("step" as const),
      byMs: fc.integer({ min: -60_000, max: 60_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("anchor" as const),
      how: fc.constant("jump" as const),
      byMs: fc.integer({ min: -400_000, max: 400_000 }),
    }),
  },
);

/** What was put, by the value that names it. */
interface Given {
  readonly stream: number;
  readonly atMs: number;
  readonly coversMs: number;
  readonly problem: string | null;
  readonly windowThen: number | null;
}

/** Runs actions against a lane the way ingest does: a record never stands for time that another one stood for. */
class LaneRun {
  readonly bench: LaneBench;
  readonly given: Given[] = [];
  readonly windows: number[] = [];
  readonly #coveredTo: number[];
  offsetMs: number;

  constructor(windowMs: number, startMs: number, offsetMs: number) {
    this.bench = new LaneBench(windowMs, { nowMs: startMs });
    this.offsetMs = offsetMs;
    this.#coveredTo = new Array<number>(STREAMS).fill(startMs);
  }

  act(action: Action): void {
    const { bench } = this;
    switch (action.is) {
      case "put":
        this.#put(action);
        break;
      case "pass":
        bench.pass(action.ms);
        break;
      case "advance":
        bench.advance();
        break;
      case "flush":
        bench.lane.flush();
        break;
      case "close":
        if (bench.lane.window !== null) bench.lane.closedTo = epochMs(bench.lane.window);
        break;
      case "anchor":
        this.offsetMs += action.byMs;
        bench.anchor(this.offsetMs, action.how);
        break;
    }
    if (bench.lane.window !== null) this.windows.push(bench.lane.window);
  }

  #put({ stream, share, agoMs }: Put): void {
    const atMs = this.bench.nowMs - agoMs;
    const coveredTo = this.#coveredTo[stream] as number;
    const coversMs = Math.max(0, atMs - coveredTo) * share;
    this.#coveredTo[stream] = Math.max(atMs, coveredTo);
    const problem = this.bench.put(this.given.length, { stream, coversMs, agoMs });
    this.given.push({ stream, atMs, coversMs, problem, windowThen: this.bench.lane.window });
  }
}

const isSample = ({ marks }: SeenRecord): boolean => (marks & 1) !== 0;
const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);

it("stores each accepted record once and each late one never, and no time twice, whatever the clock does", () => {
  fc.assert(
    fc.property(fc.array(wild, { maxLength: 200, size: "max" }), ms(50_000), (actions, untrustedMs) => {
      const run = new LaneRun(10_000, 0, 7_777_000);
      run.bench.pass(untrustedMs);
      run.bench.anchor(run.offsetMs, "first");
      for (const action of actions) run.act(action);
      const records = run.bench.records();

      const samples = records.filter(isSample);
      const accepted = run.given.flatMap(({ problem }, value) => (problem === null ? [value] : []));
      expect(samples.map(({ value }) => value).sort((a, b) => a - b)).toEqual(accepted);
      for (const { problem } of run.given) expect(problem === null || problem === "late").toBe(true);
      for (const { value, stream, atMs } of samples) expect({ stream, atMs }).toEqual(pick(run.given[value]));

      for (let stream = 0; stream < STREAMS; stream++) {
        const stored = sum(records.filter((one) => one.stream === stream).map(({ coversMs }) => coversMs));
        expect(stored).toBeLessThanOrEqual(sum(run.given.filter((one) => one.stream === stream).map(({ coversMs }) => coversMs)));
      }
      expect(records.every(({ coversMs }) => coversMs >= 0)).toBe(true);
      expect(run.windows.every((window, index) => index === 0 || window >= (run.windows[index - 1] as number))).toBe(true);
      expect(run.windows.every((window) => window % 10_000 === 0)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

const pick = (given: Given | undefined) => ({ stream: given?.stream, atMs: given?.atMs });

it("puts what happens now into the present window, and a straggler never into a later one", () => {
  fc.assert(
    fc.property(fc.array(wild, { maxLength: 200, size: "max" }), (actions) => {
      const run = new LaneRun(10_000, 0, 7_777_000);
      run.bench.anchor(run.offsetMs, "first");
      const times: number[] = [];
      for (const action of actions) {
        run.act(action);
        while (times.length < run.given.length) times.push(run.bench.nowMs);
      }
      for (const { value, window, atMs } of run.bench.records().filter(isSample)) {
        const { windowThen } = run.given[value] as Given;
        if (atMs === times[value]) expect(window).toBe(windowThen);
        else expect(window as number).toBeLessThanOrEqual(windowThen as number);
      }
    }),
    { numRuns: 200 },
  );
});

/** Every piece of time that a record stands for, by the definition of a window, in the window of its end or the one before. */
function expected(run: LaneRun, windowMs: number): readonly string[] {
  return run.given.flatMap(({ stream, atMs, coversMs, problem }, value) => {
    if (problem !== null) return [];
    const wall = atMs + run.offsetMs;
    const own = Math.floor(wall / windowMs) * windowMs;
    const inside = (window: number) => Math.max(0, Math.min(wall, window + windowMs) - Math.max(wall - coversMs, window));
    const before = inside(own - windowMs);
    const pieces = [`${stream} ${value} ${own} ${inside(own)} sample`];
    return before > 0 ? [...pieces, `${stream} ${value} ${own - windowMs} ${before}`] : pieces;
  });
}

const content = (records: readonly SeenRecord[]): readonly string[] =>
  records.map((one) => `${one.stream} ${one.value} ${one.window} ${one.coversMs}${isSample(one) ? " sample" : ""}`).sort();

const noBreath = () => Promise.resolve();

it("labels readings that waited for the clock as if it had been right from the start", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(calm, { maxLength: 150, size: "max" }),
      fc.nat({ max: 150 }),
      fc.constantFrom(10_000, 30_000),
      fc.integer({ min: 0, max: DAY_MS * 20_000 }),
      async (actions, trustedAfter, windowMs, offsetMs) => {
        // Stragglers from before the clock was trusted have nowhere else to go; here everything is told when it happens.
        const prompt = actions.map((action) => (action.is === "put" ? { ...action, agoMs: 0 } : action));
        const late = new LaneRun(windowMs, 60_000, offsetMs);
        const early = new LaneRun(windowMs, 60_000, offsetMs);
        early.bench.anchor(offsetMs, "first");
        for (const [index, action] of prompt.entries()) {
          if (index === trustedAfter) late.bench.anchor(offsetMs, "first");
          late.act(action);
          early.act(action);
        }
        if (trustedAfter >= prompt.length) late.bench.anchor(offsetMs, "first");
        late.bench.lane.flush();
        await labelWaiting(late.bench.live, anyWindow(offsetMs), noBreath);
        expect(content(late.bench.records())).toEqual(content(early.bench.records()));
        expect(content(early.bench.records())).toEqual([...expected(early, windowMs)].sort());
      },
    ),
    { numRuns: 150 },
  );
});

it("cuts chunks so that each record is whole, in its window and in its order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(put, { minLength: 1, maxLength: 60 }),
      fc.array(ms(4_000), { minLength: 60, maxLength: 60 }),
      async (puts, gaps) => {
        const run = new LaneRun(10_000, 0, 123_456_789);
        for (const [index, one] of puts.entries()) {
          run.bench.pass(gaps[index] as number);
          run.act({ ...one, agoMs: 0 });
        }
        run.bench.lane.flush();
        await labelWaiting(run.bench.live, anyWindow(run.offsetMs), noBreath);
        for (const chunk of run.bench.live.chunks) {
          expect(chunk.window).not.toBeNull();
          expect(chunk.windowMs).toBe(durationMs(10_000));
        }
        expect(content(run.bench.live.records())).toEqual([...expected(run, 10_000)].sort());
        const values = run.bench.live
          .records()
          .filter(isSample)
          .map(({ value }) => value);
        expect(values).toEqual([...values].sort((a, b) => a - b));
      },
    ),
    { numRuns: 100 },
  );
});
