import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChannelPlan, StreamPlan } from "../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../src/core/units/epsilon.ts";
import { DAY_MS, MINUTE_MS } from "../../src/core/units/time.ts";
import type { LedgerReading } from "../../src/ports/outbox.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { CloserBench } from "../support/closers.ts";
import { FakeOutbox, type SeenSummary } from "../support/fake-outbox.ts";
import { channelPlan, PASSAGES, SPEED, streamPlan } from "../support/plans.ts";

// A node lives through changed configurations, restarts, changes of the clock and names that come and go. Whatever happens, everything
// that was released about any instant stays within the budget of its account. What was released is read off the summaries themselves.

const CAP_MICRO = 1_000_000;
const ENTRIES = channelPlan({ name: "entries", quantity: "entries", kind: "counter", unit: "1", sensitivity: "presence", resolution: 1 });
const CHANNELS: readonly ChannelPlan[] = [PASSAGES, SPEED, ENTRIES];
const WINDOWS_MS = [5, 15, 30, 60].map((minutes) => minutes * MINUTE_MS);
/** A name says its account, so that a summary does. */
const NAMES = ["a-node", "b-node", "c-node", "d-path"] as const;
const accountOf = (name: string): string => name.slice(2);

interface StreamChoice {
  readonly name: (typeof NAMES)[number];
  readonly channel: number;
  readonly window: number;
  /** Its part of the budget, before the parts of an account are made to fit. */
  readonly weight: number;
}

interface Chapter {
  readonly streams: readonly StreamChoice[];
  readonly minutes: number;
  readonly stepMinutes: number;
}

const chapter: fc.Arbitrary<Chapter> = fc.record({
  streams: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...NAMES),
      channel: fc.nat(CHANNELS.length - 1),
      window: fc.nat(WINDOWS_MS.length - 1),
      weight: fc.integer({ min: 1, max: 10 }),
    }),
    { selector: ({ name }) => name, minLength: 1, maxLength: 4 },
  ),
  minutes: fc.integer({ min: 30, max: 300 }),
  stepMinutes: fc.constantFrom(0, 0, 0, -1, 1, -90, 90, -300),
});
/** Late enough in the day that midnight is in most of them. */
const life = fc.record({ startHour: fc.integer({ min: 18, max: 23 }), chapters: fc.array(chapter, { minLength: 3, maxLength: 5 }) });

/** What `check` lets through: the parts of an account are its cap at most. */
function planned(choices: readonly StreamChoice[]): readonly StreamPlan[] {
  return choices.map(({ name, channel, window, weight }) => {
    const account = accountOf(name);
    const all = choices.filter((one) => accountOf(one.name) === account).reduce((sum, one) => sum + one.weight, 0);
    const plan = CHANNELS[channel] as ChannelPlan;
    const bound = plan.kind === "counter" ? 1 : null;
    const own = Math.floor((CAP_MICRO * weight) / all);
    const policy = { is: "noised", epsilonMicro: epsilonMicro(own), accountMicro: epsilonMicro(CAP_MICRO), bound } as const;
    return streamPlan(plan, { name, account, policy, windowMs: WINDOWS_MS[window] as number });
  });
}

/** An outbox that forgets what it must not. */
class ForgetfulOutbox extends FakeOutbox {
  readonly forgets: { readonly ledger?: boolean; readonly terms?: boolean };

  constructor(forgets: ForgetfulOutbox["forgets"]) {
    super();
    this.forgets = forgets;
  }

  override async ledger(): Promise<LedgerReading> {
    return this.forgets.ledger === true ? { spans: [], damaged: 0 } : super.ledger();
  }

  override async recall(key: string): Promise<string | null> {
    return this.forgets.terms === true && key === "privacy:terms" ? null : super.recall(key);
  }
}

type Released = SeenSummary & { readonly privacy: { readonly epsilon: number } };

/** Everything with a number that a life released, in the order of its making. */
async function lived(
  { startHour, chapters }: { startHour: number; chapters: readonly Chapter[] },
  outbox: FakeOutbox,
): Promise<readonly Released[]> {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 10, 23, startHour) });
  let live: CloserBench["live"] | null = null;
  for (const { streams, minutes, stepMinutes } of chapters) {
    clock.stepWall(stepMinutes * MINUTE_MS);
    const bench: CloserBench = new CloserBench(planned(streams), { clock, outbox, ...(live === null ? {} : { live }) });
    bench.open(null);
    await bench.pass(minutes * MINUTE_MS);
    bench.ingest.flush();
    live = bench.live;
  }
  return (outbox.summaries() as readonly Released[]).filter(({ reason }) => reason === undefined);
}

const span = ({ window }: Released): readonly [number, number] => [Date.parse(window.start), Date.parse(window.end)];
const microOf = ({ privacy }: Released): number => Math.round(privacy.epsilon * 1e6);

/** The most that any account spent on one instant. */
function mostSpent(released: readonly Released[]): number {
  let most = 0;
  for (const account of new Set(NAMES.map(accountOf))) {
    const own = released.filter(({ stream }) => accountOf(stream) === account);
    for (const [instant] of own.map(span)) {
      const touching = own.filter((one) => span(one)[0] <= instant && instant < span(one)[1]);
      most = Math.max(
        most,
        touching.reduce((sum, one) => sum + microOf(one), 0),
      );
    }
  }
  return most;
}

const areApart = (released: readonly Released[]): boolean =>
  NAMES.every((name) => {
    const spans = released.filter(({ stream }) => stream === name).map(span);
    return spans.every(([start, end], index) => spans.every(([from, to], other) => index === other || end <= from || to <= start));
  });

/** Whether a stream changed its lattice or its epsilon without a midnight in between. */
const changedWithinADay = (released: readonly Released[]): boolean =>
  NAMES.some((name) => {
    const own = released.filter(({ stream }) => stream === name).toSorted((a, b) => span(a)[0] - span(b)[0]);
    return own.some((one, index) => {
      const before = own[index - 1];
      if (before === undefined || (microOf(before) === microOf(one) && before.window.seconds === one.window.seconds)) return false;
      return Math.floor(span(before)[0] / DAY_MS) === Math.floor(span(one)[0] / DAY_MS);
    });
  });

const LIVES = { numRuns: 10, seed: 20_261_123 };

/** Whether one of the same lives breaks it with an outbox that forgets. */
async function findsOneThat(isBroken: (released: readonly Released[]) => boolean, forgets: ForgetfulOutbox["forgets"]): Promise<boolean> {
  for (const one of fc.sample(life, LIVES)) if (isBroken(await lived(one, new ForgetfulOutbox(forgets)))) return true;
  return false;
}

describe("P4: the budget of an account holds", () => {
  it("for every instant, over restarts, changed files and steps of the clock", { timeout: 180_000 }, async () => {
    let numbers = 0;
    await fc.assert(
      fc.asyncProperty(life, async (one) => {
        const released = await lived(one, new FakeOutbox());
        numbers += released.length;
        expect(mostSpent(released)).toBeLessThanOrEqual(CAP_MICRO);
        expect(areApart(released), "windows of a stream do not overlap").toBe(true);
        expect(changedWithinADay(released), "terms change with the day").toBe(false);
      }),
      LIVES,
    );
    expect(numbers, "something was released at all").toBeGreaterThan(200);
  });

  it("and this finds a ledger that is not read after a restart", { timeout: 180_000 }, async () => {
    expect(await findsOneThat((released) => mostSpent(released) > CAP_MICRO, { ledger: true, terms: true })).toBe(true);
  });

  it("and this finds terms that change in the middle of a day", { timeout: 180_000 }, async () => {
    expect(await findsOneThat(changedWithinADay, { terms: true })).toBe(true);
  });
});
