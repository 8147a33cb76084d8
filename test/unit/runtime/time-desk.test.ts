import { describe, expect, it } from "vitest";
import { DAY_MS, epochMs, HOUR_MS } from "../../../src/core/units/time.ts";
import { AGEING_FACT, TRUSTED_FACT } from "../../../src/ports/outbox.ts";
import { TimeDesk } from "../../../src/runtime/time-desk.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RecordingEvents } from "../../support/recording-events.ts";

function deskOf(source: "system" | "operator", trust: VirtualClock["trust"] = "synced") {
  const clock = new VirtualClock({ wallMs: 5_000_000, monoMs: 1_000 });
  clock.trust = trust;
  const events = new RecordingEvents();
  const anchors: [number, string][] = [];
  const desk = new TimeDesk(clock, events, source, (offsetMs, how) => anchors.push([offsetMs, how]));
  return { clock, events, anchors, desk };
}

/** Asks when it is time to, and looks with the answer. */
async function look(desk: TimeDesk): Promise<void> {
  desk.tick();
  await Promise.resolve();
  desk.tick();
}

describe("TimeDesk", () => {
  it("has no time until somebody vouches for it, says so once, and still has something for a log", async () => {
    const { clock, events, anchors, desk } = deskOf("system", null);
    for (let second = 0; second < 20; second++) {
      await look(desk);
      await clock.advance(1_000);
    }
    expect([desk.now(), desk.state(), desk.best()]).toEqual([null, null, 5_020_000]);
    expect(anchors).toEqual([]);
    expect(events.all).toEqual([{ type: "ClockUntrusted", because: "nobody-vouches" }]);
  });

  it("asks every ten seconds, and anchors first when trust comes", async () => {
    const { clock, events, anchors, desk } = deskOf("system", null);
    await look(desk);
    clock.trust = "gps";
    await clock.advance(9_999);
    await look(desk);
    expect(desk.now()).toBeNull();
    await clock.advance(1);
    await look(desk);
    expect([desk.now(), desk.state()]).toEqual([5_010_000, "gps"]);
    expect(anchors).toEqual([[4_999_000, "first"]]);
    expect(events.of("ClockTrusted")).toEqual([{ type: "ClockTrusted", source: "gps" }]);
  });

  it("tells a slew, a small step and a jump apart, and a clock that runs well from all of them", async () => {
    const { clock, events, anchors, desk } = deskOf("operator", null);
    for (const byMs of [0, 0, 300, -20_000, 3_600_000]) {
      clock.stepWall(byMs);
      await look(desk);
      await clock.advance(1_000);
    }
    expect(anchors.map(([, how]) => how)).toEqual(["first", "adopt", "step", "jump"]);
    expect(events.of("ClockStepped").map(({ size }) => size)).toEqual(["small", "large"]);
    expect(desk.state()).toBe("operator");
  });

  it("takes being held up between the two clocks for no step", async () => {
    const { clock, events, anchors, desk } = deskOf("operator", null);
    await look(desk);
    const wallMs = clock.wallMs.bind(clock);
    let holdUps = 3;
    clock.wallMs = () => {
      if (holdUps-- > 0) clock.stall(900);
      return wallMs();
    };
    await look(desk);
    expect(holdUps).toBeLessThan(0);
    expect(anchors).toEqual([[4_999_000, "first"]]);
    expect(events.of("ClockStepped")).toEqual([]);
  });

  it("throws nothing away for its age for a day after a leap, however often it is started meanwhile", async () => {
    const rules = { holdoverMs: Number.POSITIVE_INFINITY, earliestMs: epochMs(0) };
    const begin = (wallMs: number, facts: ReadonlyMap<string, string>) => {
      const clock = new VirtualClock({ wallMs, monoMs: 1_000 });
      clock.trust = "synced";
      const known = (key: string) => (facts.has(key) ? epochMs(Number(facts.get(key))) : null);
      const limits = { ...rules, lastTrustedMs: known(TRUSTED_FACT), ageingFromMs: known(AGEING_FACT) };
      return { clock, desk: new TimeDesk(clock, new RecordingEvents(), "system", () => undefined, limits) };
    };
    const factsOf = (desk: TimeDesk) => desk.noted({ rows: [], marks: new Map(), facts: new Map(), changes: [], madeAt: epochMs(0) }).facts;
    const first = begin(5_000_000, new Map());
    await look(first.desk);
    expect([first.desk.ageing(), first.desk.hasLeapt()], "there is nothing to compare with").toEqual([5_000_000, false]);

    let facts = factsOf(first.desk);
    const lieMs = 5_000_000 + 700 * DAY_MS;
    for (let hour = 0; hour < 24; hour++) {
      const { clock, desk } = begin(lieMs + hour * HOUR_MS, facts);
      await look(desk);
      expect([desk.now(), desk.ageing(), desk.hasLeapt()]).toEqual([lieMs + hour * HOUR_MS, null, true]);
      await clock.advance(10_000);
      await look(desk);
      facts = factsOf(desk);
    }
    const proven = begin(lieMs + 25 * HOUR_MS, facts);
    await look(proven.desk);
    expect(proven.desk.ageing()).toBe(lieMs + 25 * HOUR_MS);
    const mended = begin(5_000_000 + DAY_MS / 2, new Map([...facts, [TRUSTED_FACT, "5000000"]]));
    await look(mended.desk);
    expect(mended.desk.ageing(), "a leap that was taken back is none").toBe(5_000_000 + DAY_MS / 2);
  });

  it("goes on with its own offset when trust is lost, and does not follow the wall clock", async () => {
    const { clock, anchors, desk } = deskOf("system");
    await look(desk);
    clock.trust = null;
    await clock.advance(10_000);
    clock.stepWall(7_200_000);
    await look(desk);
    expect([desk.now(), desk.state()]).toEqual([5_010_000, "holdover"]);
    expect(anchors).toHaveLength(1);
    clock.trust = "synced";
    await clock.advance(10_000);
    await look(desk);
    expect([desk.now(), desk.state(), anchors.at(-1)?.[1]]).toEqual([12_220_000, "synced", "jump"]);
  });
});
