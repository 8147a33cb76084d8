import { describe, expect, it } from "vitest";
import { gpioClosed } from "../../../src/adapters/gpio/gpio-fault.ts";
import { EARLY_EDGES_MAX, edgeToWatch, LineWatch } from "../../../src/adapters/gpio/line-watch.ts";
import type { GpioLine } from "../../../src/core/units/port.ts";
import type { PortEvent } from "../../../src/ports/field-port.ts";
import { manualClock } from "../../support/manual-clock.ts";

const MS = 1_000_000n;
const LINE = { line: { name: "GPIO17" }, edge: "both", pull: "none", debounceMs: 50 } as const;

function watching({ debounceMs = 50, edge = "both" as GpioLine["edge"] } = {}) {
  const clock = manualClock();
  const events: PortEvent[] = [];
  let stops = 0;
  const lines = { a: { ...LINE, edge, debounceMs }, b: { ...LINE, edge, debounceMs } };
  const watch = new LineWatch(
    clock,
    lines,
    (event) => events.push(event),
    () => stops++,
  );
  const told = () =>
    events.map((event) => (event.type === "edge" ? `${event.line} ${event.rising ? "up" : "down"} ${event.atNs}` : event.type));
  return { clock, watch, told, events, stops: () => stops };
}

describe("a watch of lines", () => {
  it("keeps early edges until it is open", () => {
    const { watch, told } = watching();
    watch.edge("a", true, 1n);
    expect(told()).toEqual([]);
    watch.opened({});
    expect(told()).toEqual(["opened", "a up 1"]);
  });

  it("tells how many early edges were more than it keeps", () => {
    const { watch, events } = watching({ debounceMs: 0 });
    for (let index = 0; index < EARLY_EDGES_MAX + 7; index++) watch.edge("a", true, BigInt(index));
    watch.opened({});
    expect(events.filter(({ type }) => type === "edge")).toHaveLength(EARLY_EDGES_MAX);
    expect(events.at(-1)).toEqual({ type: "lost", what: "edges", count: 7 });
  });

  it("filters the bounce of each line by itself, and counts it", () => {
    const { watch, told, clock } = watching();
    watch.opened({});
    for (const [name, rising, atMs] of [
      ["a", true, 0n],
      ["b", true, 10n],
      ["a", false, 20n],
      ["a", true, 30n],
    ] as const)
      watch.edge(name, rising, atMs * MS);
    clock.advance(1_000);
    expect(told()).toEqual(["opened", "a up 0", "b up 10000000"]);
    expect(watch.ignoredEdges()).toBe(2);
  });

  it("tells the end of a short pulse when the debounce time is over, and does not count it as ignored", () => {
    const { watch, told, clock } = watching();
    watch.opened({});
    watch.edge("a", true, 0n);
    watch.edge("a", false, 5n * MS);
    clock.advance(49);
    expect(told()).toEqual(["opened", "a up 0"]);
    clock.advance(1);
    expect(told()).toEqual(["opened", "a up 0", "a down 5000000"]);
    expect(watch.ignoredEdges()).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it("does not take the bounce of a contact that opens for another closing, and tells the edges that were asked for only", () => {
    expect(edgeToWatch({ edge: "falling", debounceMs: 50 })).toBe("both");
    expect(edgeToWatch({ edge: "falling", debounceMs: 0 })).toBe("falling");
    const { watch, told, clock } = watching({ edge: "falling" });
    watch.opened({});
    // Closes at 0 ms and opens at 120 ms, and bounces twice each time; closes again at 400 ms, for 10 ms.
    for (const atMs of [0n, 1n, 2n, 3n, 4n, 120n, 121n, 122n, 123n, 124n])
      watch.edge("a", atMs < 100n ? atMs % 2n === 1n : atMs % 2n === 0n, atMs * MS);
    watch.edge("a", false, 400n * MS);
    watch.edge("a", true, 410n * MS);
    clock.advance(1_000);
    expect(told()).toEqual(["opened", "a down 0", "a down 400000000"]);
    expect(watch.ignoredEdges()).toBe(8);
  });

  it("does not take what is left of bounce for another edge when there are no stamps and it looks late", () => {
    const { watch, told, clock } = watching();
    watch.opened({});
    watch.edge("a", false, null);
    clock.advance(80);
    watch.edge("a", false, null);
    expect(told()).toEqual(["opened", "a down null"]);
    expect(watch.ignoredEdges()).toBe(1);
    watch.edge("a", true, null);
    clock.advance(80);
    watch.edge("a", false, null);
    expect(told()).toEqual(["opened", "a down null", "a up null", "a down null"]);
  });

  it("debounces on its own clock where the kernel gives no stamp, and tells none then", () => {
    const { watch, told, clock } = watching();
    watch.opened({});
    watch.edge("a", true, null);
    clock.advance(49);
    watch.edge("a", true, null);
    clock.advance(1);
    watch.edge("a", false, null);
    expect(told()).toEqual(["opened", "a up null", "a down null"]);
    expect(watch.ignoredEdges()).toBe(1);
  });

  it("is stopped once, and tells nothing after `closed`", () => {
    const { watch, told, clock, stops } = watching();
    watch.opened({});
    watch.edge("a", true, 0n);
    watch.edge("a", false, 5n * MS);
    watch.closed(gpioClosed("gone", "unplugged"));
    watch.closed(gpioClosed("io", "again"));
    watch.edge("a", true, 900n * MS);
    watch.lost(1);
    clock.advance(1_000);
    watch.close();
    expect(told()).toEqual(["opened", "a up 0", "closed"]);
    expect(stops()).toBe(1);
  });

  it("ignores an edge of a line that it does not know", () => {
    const { watch, told } = watching();
    watch.opened({});
    watch.edge("c", true, 0n);
    expect(told()).toEqual(["opened"]);
  });
});
