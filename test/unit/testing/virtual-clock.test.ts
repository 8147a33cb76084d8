import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

describe("VirtualClock", () => {
  it("moves when it is told, and runs what is due in order of time, then of asking", async () => {
    const clock = new VirtualClock({ monoMs: 0, wallMs: 1_000 });
    const ran: [string, number][] = [];
    const note = (name: string) => () => ran.push([name, clock.monotonicMs()]);
    clock.after(20, note("b"));
    clock.after(10, note("a"));
    clock.after(20, note("c"));
    clock.after(31, note("d"));
    await clock.advance(30);
    expect(ran).toEqual([
      ["a", 10],
      ["b", 20],
      ["c", 20],
    ]);
    expect([clock.monotonicMs(), clock.wallMs(), clock.monotonicNs()]).toEqual([30, 1_030, 30_000_000n]);
    await clock.advance(1);
    expect(ran.at(-1)).toEqual(["d", 31]);
  });

  it("runs what is asked for on the way, and lets promises settle in between", async () => {
    const clock = new VirtualClock({ monoMs: 0 });
    const ran: string[] = [];
    const loop = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        await new Promise<void>((resolve) => clock.after(10, resolve));
        ran.push(`turn ${clock.monotonicMs()}`);
      }
    };
    void loop();
    await clock.advance(100);
    expect(ran).toEqual(["turn 10", "turn 20", "turn 30"]);
  });

  it("forgets what was called off, twice if need be", async () => {
    const clock = new VirtualClock();
    let ran = 0;
    const cancel = clock.after(5, () => {
      ran++;
    });
    cancel();
    cancel();
    await clock.advance(10);
    expect(ran).toBe(0);
  });

  it("steps the wall clock without the monotonic one", () => {
    const clock = new VirtualClock({ monoMs: 500, wallMs: 1_000 });
    clock.stepWall(-300);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([500, 700]);
  });
});
