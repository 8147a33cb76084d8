import { describe, expect, it } from "vitest";
import { MetricsPort } from "../../../src/cli/metrics-port.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RecordingEvents } from "../../support/recording-events.ts";

/** A machine with ports, of which some are taken. */
function machine(taken: Set<number>) {
  const clock = new VirtualClock();
  const events = new RecordingEvents();
  const open: number[] = [];
  const seen = { isRefused: false, tries: 0 };
  const metrics = new MetricsPort({
    clock,
    events,
    listen: async (port) => {
      seen.tries++;
      if (taken.has(port)) throw Object.assign(new Error(`cannot listen on ${port}`), { remedy: "name another" });
      open.push(port);
      return {
        close: async () => {
          open.splice(open.indexOf(port), 1);
        },
      };
    },
    mark: (isRefused) => {
      seen.isRefused = isRefused;
    },
  });
  return { clock, events, open, seen, metrics };
}

describe("the port of metrics", () => {
  it("is opened where the plan names one, and that is no news", async () => {
    const { metrics, open, events, seen } = machine(new Set());
    await metrics.follow(null);
    expect(open).toEqual([]);
    await metrics.follow(9464);
    await metrics.follow(9464);
    expect([open, seen.tries, events.all]).toEqual([[9464], 1, []]);
    await metrics.close();
    expect(open).toEqual([]);
  });

  it("is a problem while it is taken, tried each minute, and had when it is free", async () => {
    const taken = new Set([9464]);
    const { metrics, clock, open, events, seen } = machine(taken);
    await metrics.follow(9464);
    expect(seen.isRefused).toBe(true);
    expect(events.of("MetricsPortRefused")).toMatchObject([{ port: 9464, detail: "cannot listen on 9464", remedy: "name another" }]);
    await clock.advance(180_000);
    expect([seen.tries, seen.isRefused, open]).toEqual([4, true, []]);
    expect(events.of("MetricsPortRefused"), "said once").toHaveLength(1);
    taken.clear();
    await clock.advance(60_000);
    expect([seen.isRefused, open, events.of("MetricsPortOpened").length]).toEqual([false, [9464], 1]);
    await clock.advance(180_000);
    expect(seen.tries).toBe(5);
    await metrics.close();
    expect(open).toEqual([]);
  });

  it("is tried at a reload as well, and exchanged by one", async () => {
    const taken = new Set([9464]);
    const { metrics, clock, open, seen } = machine(taken);
    await metrics.follow(9464);
    taken.clear();
    await metrics.follow(9464);
    expect([seen.isRefused, open]).toEqual([false, [9464]]);
    taken.add(9465);
    await metrics.follow(9465);
    expect([seen.isRefused, open]).toEqual([true, []]);
    await metrics.follow(null);
    expect([seen.isRefused, open]).toEqual([false, []]);
    const { tries } = seen;
    await clock.advance(600_000);
    expect(seen.tries, "nothing is wanted any more").toBe(tries);
  });

  it("is not opened any more once it was closed, whatever was under way", async () => {
    const taken = new Set([9464]);
    const { metrics, clock, open } = machine(taken);
    await metrics.follow(9464);
    taken.clear();
    const opening = metrics.follow(9464);
    await Promise.all([opening, metrics.close()]);
    await metrics.follow(9464); // a reload that was under way
    await clock.advance(600_000);
    expect(open).toEqual([]);
  });
});
