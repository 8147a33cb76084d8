import { describe, expect, it } from "vitest";
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
