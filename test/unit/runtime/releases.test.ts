import { describe, expect, it } from "vitest";
import type { NoisedPolicy } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { DAY_MS } from "../../../src/core/units/time.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { CloserBench } from "../../support/closers.ts";
import { FakeOutbox } from "../../support/fake-outbox.ts";
import { seededBytes } from "../../support/noise/seeded-bytes.ts";
import { channelPlan, PASSAGES, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const noised = (micro: number): NoisedPolicy => ({
  is: "noised",
  epsilonMicro: epsilonMicro(micro),
  accountMicro: epsilonMicro(1_000_000),
  bound: null,
});
const GATE = streamPlan(PASSAGES, { policy: noised(1_000_000) });
const COUNT = channelPlan({ name: "entries", quantity: "entries", kind: "counter", unit: "1", sensitivity: "presence", resolution: 1 });

/** A gate that somebody passes every second, over so many windows. */
async function gate(bench: CloserBench, windows: number): Promise<void> {
  bench.open(null);
  await bench.pass(windows * WINDOW_MS, () => bench.intake.passage("passages", { direction: "towards" }, bench.clock.monotonicMs()));
}

const texts = (outbox: FakeOutbox): readonly string[] => outbox.rows.map(({ message }) => new TextDecoder().decode(message.payload));

describe("a noised window", () => {
  it("is written with its charge and its mark, in one batch", async () => {
    const bench = new CloserBench([GATE]);
    await gate(bench, 3);
    const batches = bench.outbox.batches.filter(({ rows }) => rows.length > 0);
    expect(batches.length).toBeGreaterThan(0);
    for (const { rows, marks, charges } of batches) {
      expect([rows.length, marks.size, charges?.length]).toEqual([1, 1, 1]);
      expect(charges?.[0]).toMatchObject({ account: "node", stream: GATE.id, epsilonMicro: 1_000_000 });
    }
    expect(bench.outbox.spanOf.size, "windows side by side are one row of the ledger").toBe(1);
  });

  it("that could not be written is offered again as it was drawn, whatever went wrong", async () => {
    for (const trouble of ["full", "lost", "unknown"] as const) {
      const bench = new CloserBench([GATE]);
      bench.outbox.commitTroubles.push(null, trouble, trouble === "unknown" ? null : "full");
      const undisturbed = new CloserBench([GATE]);
      await gate(undisturbed, 4);
      await gate(bench, 4);
      const bodies = (outbox: FakeOutbox) => outbox.summaries().map(({ id, cells }) => [id, cells]);
      expect(bodies(bench.outbox), trouble).toEqual(bodies(undisturbed.outbox));
    }
  });

  it("is never drawn for a second time while its readings are there: not by another run, and not for another node store", async () => {
    const bench = new CloserBench([GATE], { randomness: seededBytes(1) });
    // The note of the draw is made, the node store never hears of it, and the run is over.
    bench.outbox.commitTroubles.push(null, ...Array.from({ length: 2_000 }, () => "full" as const));
    await gate(bench, 3);
    expect(bench.summaries()).toEqual([]);
    const { clock, live } = bench;
    const outbox = new FakeOutbox();
    for (const [key, value] of bench.outbox.factOf) outbox.factOf.set(key, value);
    const next = new CloserBench([GATE], { clock, live, outbox, randomness: seededBytes(2) });
    await gate(next, 3);
    const [first, ...rest] = next.summaries().filter(({ coverage }) => coverage > 0);
    expect(first?.reason).toBe("unavailable");
    expect(next.events.of("NoiseUnavailable")).not.toHaveLength(0);
    expect(rest.at(-1)?.cells).toBeDefined();
  });

  it("is not released when its random source fails, and costs nothing", async () => {
    const broken = {
      fillRandom: () => {
        throw new Error("no randomness");
      },
    };
    const bench = new CloserBench([GATE], { randomness: broken });
    await gate(bench, 3);
    expect(bench.summaries().length).toBeGreaterThan(0);
    expect(new Set(bench.summaries().map(({ reason }) => reason))).toEqual(new Set(["unavailable"]));
    expect(bench.outbox.spanOf.size).toBe(0);
  });

  it("says budget when its account has no more to give, whoever passed", async () => {
    const second = streamPlan(COUNT, { policy: { ...noised(600_000), bound: 1 } });
    const bench = new CloserBench([{ ...GATE, policy: noised(600_000) }, second]);
    await gate(bench, 3);
    expect(bench.summaries("passages").every(({ cells }) => cells !== undefined)).toBe(true);
    expect(bench.summaries("entries").map(({ reason }) => reason)).toEqual(bench.summaries("passages").map(() => "budget"));
  });

  it("is released when nobody passed at all", async () => {
    const bench = new CloserBench([GATE]);
    bench.open(null);
    await bench.pass(3 * WINDOW_MS);
    expect(bench.summaries().length).toBeGreaterThan(0);
    for (const { cells } of bench.summaries()) expect(cells).toHaveLength(2);
  });

  it("that began before the store was made is not released at all", async () => {
    const clock = new VirtualClock();
    await clock.advance(WINDOW_MS / 3);
    const made = clock.wallMs();
    const bench = new CloserBench([GATE], { clock });
    await gate(bench, 3);
    const [first] = bench.summaries();
    expect(new Date(first?.window.start ?? 0).getTime()).toBe(made + (2 * WINDOW_MS) / 3);
  });
});

describe("terms that changed", () => {
  it("pause the stream with a reason until the next day of UTC, and then hold", async () => {
    const before = new CloserBench([GATE]);
    await gate(before, 3);
    const { clock, live, outbox } = before;
    const changed = { ...GATE, policy: noised(500_000) };
    const after = new CloserBench([changed], { clock, live, outbox });
    const restarted = after.clock.wallMs();
    after.open(null);
    await after.pass(DAY_MS);
    const midnight = (Math.floor(restarted / DAY_MS) + 1) * DAY_MS;
    const made = after.summaries().filter(({ window }) => new Date(window.start).getTime() >= restarted);
    expect(made.length).toBeGreaterThan(10);
    for (const { window, reason, cells } of made) {
      if (new Date(window.start).getTime() < midnight) expect(reason).toBe("budget");
      else expect(cells).toHaveLength(2);
    }
    expect(outbox.changes, "the first terms, and the change").toHaveLength(2);
    expect(texts(outbox).join("")).toContain('"epsilon":0.5');
  }, 60_000);
});
