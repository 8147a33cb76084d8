import { describe, expect, it } from "vitest";
import { createPinoEvents } from "../../../src/adapters/pino-events.ts";
import { EVENTS, type EventLevel, type NodeEvent } from "../../../src/core/events/events.ts";
import { type SensorId, sensorId, streamId } from "../../../src/core/units/ids.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

interface Line {
  readonly level: number;
  readonly time: string;
  readonly event: string;
  readonly msg: string;
  readonly folded?: number;
}

function logOf(level: EventLevel = "debug") {
  const clock = new VirtualClock();
  const text: string[] = [];
  const events = createPinoEvents(clock, level, { write: (line: string) => text.push(line) });
  return { clock, events, text, lines: () => text.map((line) => JSON.parse(line) as Line & Record<string, unknown>) };
}

const AIR = sensorId("air-1");
const silent = (sensor: SensorId = AIR): NodeEvent => ({ type: "SensorSilent", sensor });

describe("an event in the log", () => {
  it("is one JSON line with its name, its fields, what it means and when, and nothing about this process", () => {
    const { events, text, lines } = logOf();
    events.emit({ type: "SensorClosed", sensor: AIR, code: "gone", detail: "ENOENT\nsecond line", remedy: "plug it in" });
    expect(text).toHaveLength(1);
    expect(text[0]?.match(/\n/g)).toHaveLength(1);
    expect(lines()).toEqual([
      {
        level: 40,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
        event: "SensorClosed",
        sensor: "air-1",
        code: "gone",
        detail: "ENOENT\nsecond line",
        remedy: "plug it in",
        msg: EVENTS.SensorClosed.says,
      },
    ]);
  });

  it("has its own level, and is not written below that of the log", () => {
    const { events, lines } = logOf("warn");
    events.emit({ type: "NodeReady", sensors: 1, streams: 1 });
    events.emit({ type: "SummaryMade", stream: streamId(AIR, "pm25"), window: "2026-11-23T10:00:00Z", seq: 1 });
    events.emit({ type: "CloseFailed", detail: "" });
    events.emit(silent());
    expect(lines().map(({ event, level }) => [event, level])).toEqual([
      ["CloseFailed", 50],
      ["SensorSilent", 40],
    ]);
  });
});

describe("repeats", () => {
  it("are folded for a minute, and counted by the next that is written", async () => {
    const { clock, events, lines } = logOf();
    for (let second = 0; second < 60; second++) {
      events.emit(silent());
      await clock.advance(1_000);
    }
    expect(lines()).toHaveLength(1);
    events.emit(silent());
    expect(lines().map(({ folded }) => folded)).toEqual([undefined, 59]);
    events.emit(silent());
    await clock.advance(60_000);
    events.emit(silent());
    expect(lines().map(({ folded }) => folded)).toEqual([undefined, 59, 1]);
  });

  it.each<[string, NodeEvent, NodeEvent]>([
    ["another sensor", silent(), silent(sensorId("air-2"))],
    ["another code", { type: "SensorFault", sensor: AIR, code: "laser" }, { type: "SensorFault", sensor: AIR, code: "fan" }],
    [
      "another cause",
      { type: "BrokerDisconnected", cause: "network", detail: "ECONNREFUSED", remedy: "" },
      { type: "BrokerDisconnected", cause: "refused", detail: "not-authorised", remedy: "" },
    ],
    [
      "another reason",
      { type: "PublishDelayed", reason: "quota-exceeded", remedy: "" },
      { type: "PublishDelayed", reason: "not-authorised", remedy: "" },
    ],
    [
      "another stream",
      { type: "StreamWithheld", stream: streamId(AIR, "a"), because: "forbidden" },
      { type: "StreamWithheld", stream: streamId(AIR, "b"), because: "forbidden" },
    ],
    ["another size", { type: "ClockStepped", size: "small" }, { type: "ClockStepped", size: "large" }],
    [
      "another remedy",
      { type: "PrivacyWithheld", code: "SWAP", remedy: "swapoff" },
      { type: "PrivacyWithheld", code: "LIVE_DIRECTORY", remedy: "use tmpfs" },
    ],
  ])("of %s are none", (_, one, other) => {
    const { events, lines } = logOf();
    events.emit(one);
    events.emit(other);
    events.emit(one);
    expect(lines()).toHaveLength(2);
  });

  it.each<NodeEvent>([
    { type: "SummaryMade", stream: streamId(AIR, "pm25"), window: "2026-11-23T10:00:00Z", seq: 1 },
    { type: "SummariesLost", fromSeq: 1, toSeq: 2, reason: "trimmed" },
    { type: "NodeStopping", reason: "SIGTERM" },
  ])("are news every time: $type", (event) => {
    const { events, lines } = logOf();
    events.emit(event);
    events.emit(event);
    expect(lines()).toHaveLength(2);
  });

  it("are remembered for so many events only", () => {
    const { events, lines } = logOf();
    for (let sensor = 0; sensor <= 256; sensor++) events.emit(silent(sensorId(`s${sensor}`)));
    events.emit(silent(sensorId("s256")));
    expect(lines()).toHaveLength(257);
    events.emit(silent(sensorId("s0")));
    expect(lines()).toHaveLength(258);
  });
});
