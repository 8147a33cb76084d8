import { describe, expect, it } from "vitest";
import { plainLine, valueText, WatchTable } from "../../../src/cli/watch-table.ts";
import type { WatchedChannel, WatchHead } from "../../../src/runtime/watch-lines.ts";

const channel = (name: string, changes: Partial<WatchedChannel> = {}): WatchedChannel => ({
  ...{ name, quantity: name, kind: "gauge", unit: "ug/m3", sensitivity: "environmental", states: [] },
  ...changes,
});

const head = (...channels: readonly WatchedChannel[]): WatchHead => ({
  ...{ is: "head", at: "2026-11-26T10:00:00Z", node: "n0042", version: "0.1.0", sensor: "air-1", driver: "sds011", options: {} },
  ...{ port: "serial 9600 8N1", wants: "readings", forMs: 600_000, isOfPeople: false, channels },
});

const reading = (name: string, value: number | null, note: string | null = null) =>
  ({ is: "reading", at: "2026-11-26T10:00:01Z", channel: name, value, note }) as const;

describe("the table of a watch", () => {
  it("has a row for every channel: its latest value, how old that is, and how good", () => {
    const table = new WatchTable(head(channel("pm25"), channel("pm10"), channel("door", { states: ["closed", "open"], unit: "1" })), 1_000);
    table.hear({ is: "state", state: "ok", trouble: null }, 1_000);
    table.hear(reading("pm25", 12.1), 2_000);
    table.hear(reading("pm25", 12.300000000000001), 3_000);
    table.hear(reading("door", 1, "suspect"), 4_000);
    expect(table.lines(9_000, 120)).toEqual([
      "air-1 (sds011), ok; 9 min 52 s left, Ctrl-C ends",
      "  channel  value       age  quality",
      "  pm25     12.3 ug/m3  6 s  ok",
      "  pm10     -",
      "  door     open        5 s  suspect",
    ]);
  });

  it("says what was not used, lost and not shown, and is never wider than the terminal", () => {
    const table = new WatchTable(head(channel("pm25")), 0);
    table.hear({ is: "unused", bytes: { noise: 1 }, readings: { "out-of-range": 2 } }, 0);
    table.hear({ is: "lost", edges: 3 }, 0);
    table.hear({ is: "gap", lines: 4, byteCount: 0 }, 0);
    table.hear({ is: "gap", lines: 5, byteCount: 0 }, 0);
    table.hear({ is: "fault", at: "2026-11-26T10:00:01Z", code: "laser" }, 0);
    const lines = table.lines(0, 200);
    expect(lines.slice(3)).toEqual([
      "the driver says: laser",
      "not used: 1 byte noise, 2 readings out-of-range",
      "lost before they reached the node: 3 edges",
      "not shown, because they came too fast: 9 lines",
    ]);
    for (const line of table.lines(0, 20)) expect(line.length).toBeLessThanOrEqual(20);
  });

  it("shows passages one by one, and of identifiers nothing but that they are not shown", () => {
    const people = { sensitivity: "presence", unit: "1" } as const;
    const table = new WatchTable(head(channel("passages", people), channel("devices", { kind: "identity", unit: "1" })), 0);
    table.hear({ is: "passage", at: "", channel: "passages", direction: "towards", class: "bicycle", speedKmh: 18.2 }, 0);
    expect(table.lines(0, 120).slice(2)).toEqual([
      "  passages  towards bicycle 18.2 km/h    0 s  ok",
      "  devices   identifiers are never shown",
    ]);
  });
});

describe("a line of a watch", () => {
  it("says what was heard in words, and nothing of what has no place there", () => {
    const channels = new Map([["pm25", channel("pm25")]]);
    expect(plainLine(reading("pm25", 7), channels)).toBe("2026-11-26T10:00:01Z  pm25              7 ug/m3  ok");
    expect(plainLine(reading("pm25", null, "null"), channels)).toBe("2026-11-26T10:00:01Z  pm25              -  null");
    expect(plainLine({ is: "total", at: "T", channel: "pm25", value: 3 }, channels)).toBe("T  pm25              3 ug/m3 in all  ok");
    expect(plainLine({ is: "state", state: "fault", trouble: "gone" }, channels)).toBe("fault (gone)");
    expect(plainLine({ is: "end", because: "time" }, channels)).toBeNull();
    expect(valueText(5, undefined)).toBe("5");
  });
});
