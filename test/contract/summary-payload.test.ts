import { describe, expect, it } from "vitest";
import { anonymise, type ClosedWindow, Summary } from "../../src/core/anonymise/summary.ts";
import type { StreamPlan } from "../../src/core/reading/stream.ts";
import { nodeId } from "../../src/core/units/ids.ts";
import { DAY_MS, epochMs, SECOND_MS } from "../../src/core/units/time.ts";
import { windowAt } from "../../src/core/window/lattice.ts";
import type { ExactStatistic } from "../../src/core/window/statistics.ts";
import { type Envelope, NativeFormat } from "../../src/formats/native.ts";
import { noCoins } from "../support/coins.ts";
import { channelPlan, DOOR, PASSAGES, RAIN, SPEED, streamPlan } from "../support/plans.ts";

const START = epochMs(Date.UTC(2026, 10, 23, 10));
const FORMAT = new NativeFormat("city/voorbeeld", nodeId("n0042"));
const ENVELOPE: Envelope = {
  node: nodeId("n0042"),
  instance: "9f3a01c2",
  seq: 40_213,
  prev: epochMs(Date.UTC(2026, 10, 23, 9, 45)),
  rev: "5be1c0aa",
  made: epochMs(Date.UTC(2026, 10, 23, 10, 15, 31)),
};
const GAUGE: ExactStatistic = { kind: "gauge", samples: 900, mean: 12.4, min: 9.1, max: 17.9, stddev: 1.8, p50: 12.1, p95: 16.6 };

function sealed(stream: StreamPlan, statistic: ExactStatistic | null, changes: Partial<ClosedWindow> = {}): Summary {
  const window = windowAt(START, stream.windowMs);
  const summary = anonymise({ stream, window, coverage: 1, statistic, flags: [], time: "synced", ...changes }, noCoins, "granted");
  if (!(summary instanceof Summary)) throw new Error(`withheld: ${summary.because}`);
  return summary;
}

function messageOf(stream: StreamPlan, statistic: ExactStatistic | null, changes: Partial<ClosedWindow> = {}, envelope = ENVELOPE) {
  const message = FORMAT.summary(sealed(stream, statistic, changes), envelope);
  return { ...message, text: new TextDecoder().decode(message.payload) };
}

const parsed = (...parts: Parameters<typeof messageOf>): Record<string, unknown> =>
  JSON.parse(messageOf(...parts).text) as Record<string, unknown>;

/** The first example of CONTRACT §3, without its line breaks. */
const EXAMPLE = [
  '{"v":1,"id":"n0042/air-1.pm25/PT15M/2026-11-23T10:00:00Z","node":"n0042","instance":"9f3a01c2","seq":40213,',
  '"prev":"2026-11-23T09:45:00Z","rev":"5be1c0aa",',
  '"sensor":"air-1","stream":"pm25","quantity":"pm25","kind":"gauge","unit":"ug/m3",',
  '"window":{"start":"2026-11-23T10:00:00Z","end":"2026-11-23T10:15:00Z","seconds":900},',
  '"made":"2026-11-23T10:15:31Z","stats":{"samples":900,"mean":12.4,"min":9.1,"max":17.9,"stddev":1.8,"p50":12.1,"p95":16.6},',
  '"privacy":{"policy":"open"},"coverage":1,"quality":"ok","flags":[],"time":"synced"}',
].join("");

describe("a summary on the wire", () => {
  it("is the example of the contract, byte for byte", () => {
    expect(messageOf(streamPlan(), GAUGE)).toMatchObject({
      topic: "city/voorbeeld/n0042/air-1/pm25/summary",
      text: EXAMPLE,
      retain: false,
      expirySeconds: null,
    });
  });

  it("is made of what anonymise sealed, and of nothing that looks like it", () => {
    const real = sealed(streamPlan(), GAUGE);
    expect(() => FORMAT.summary({ ...real } as Summary, ENVELOPE)).toThrow(/core\/anonymise/);
  });

  it("stays as it is, whatever is made after it, of any length and in any script", () => {
    const units = ["ug/m3", "µg/m³", "°".repeat(400), "度".repeat(2_000), "x".repeat(40_000)];
    const made = Array.from({ length: 100 }, (_, seq) => {
      const unit = units[seq % units.length] as string;
      const stream = streamPlan(channelPlan({ unit }));
      return { unit, seq, payload: FORMAT.summary(sealed(stream, GAUGE), { ...ENVELOPE, seq }).payload };
    });
    for (const { unit, seq, payload } of made) {
      const text = EXAMPLE.replace('"seq":40213', `"seq":${seq}`).replace('"unit":"ug/m3"', `"unit":"${unit}"`);
      expect(new TextDecoder().decode(payload)).toBe(text);
    }
  });

  it("has no previous summary at first", () => {
    expect(parsed(streamPlan(), GAUGE, {}, { ...ENVELOPE, prev: null }).prev).toBeNull();
  });

  it("carries coverage, quality, flags and who vouches for its time", () => {
    expect(parsed(streamPlan(), GAUGE, { coverage: 0.52, flags: ["stepped", "simulated"], time: "holdover" })).toMatchObject({
      coverage: 0.52,
      quality: "partial",
      flags: ["stepped", "simulated"],
      time: "holdover",
    });
  });

  it.each([
    [10 * SECOND_MS, "PT10S", 10],
    [DAY_MS, "P1D", 86_400],
  ])("names a window of %d ms %s", (windowMs, duration, seconds) => {
    const summary = parsed(streamPlan(channelPlan(), { windowMs }), GAUGE);
    expect(summary.id).toBe(`n0042/air-1.pm25/${duration}/2026-11-23T10:00:00Z`);
    expect(summary.window).toMatchObject({ start: "2026-11-23T10:00:00Z", seconds });
  });

  it("uses the operator's name of a stream, not the channel's", () => {
    const stream = streamPlan(channelPlan(), { name: "fine_dust" });
    expect(messageOf(stream, GAUGE).topic).toBe("city/voorbeeld/n0042/air-1/fine_dust/summary");
    expect(parsed(stream, GAUGE)).toMatchObject({
      id: expect.stringContaining("/air-1.fine_dust/"),
      stream: "fine_dust",
      quantity: "pm25",
    });
  });
});

describe("the body of each kind", () => {
  const BODIES = ["stats", "cells", "histogram", "reason"];
  const bodyOf = (stream: StreamPlan, statistic: ExactStatistic | null, changes: Partial<ClosedWindow> = {}): string => {
    const summary = parsed(stream, statistic, changes);
    const present = BODIES.filter((name) => name in summary);
    expect(present).toHaveLength(1);
    return JSON.stringify({ [present.join()]: summary[present.join()] });
  };
  const of = (kind: "level" | "direction") => streamPlan(channelPlan({ kind, resolution: 0.1 }));

  it.each<[string, StreamPlan, ExactStatistic, string]>([
    [
      "level",
      of("level"),
      { kind: "level", samples: 900, laeq: 61.234, lamax: 78.9, l10: 64.5, l50: 59, l90: 55.1 },
      '{"stats":{"samples":900,"laeq":61.2,"lamax":78.9,"l10":64.5,"l50":59,"l90":55.1}}',
    ],
    [
      "direction",
      of("direction"),
      { kind: "direction", samples: 60, mean: 271.04, resultant: 0.91234 },
      '{"stats":{"samples":60,"mean":271.04,"resultant":0.912}}',
    ],
    [
      "counter",
      streamPlan(RAIN),
      { kind: "counter", samples: 12, sum: 3.3, peakPerHour: 24, steps: null },
      '{"stats":{"samples":12,"sum":3.3,"peakPerHour":24}}',
    ],
    [
      "state",
      streamPlan(DOOR),
      { kind: "state", samples: 2, heldMs: [870_000, 30_000], transitions: 2 },
      '{"stats":{"samples":2,"share":{"closed":0.9667,"open":0.0333},"transitions":2}}',
    ],
    [
      "passage",
      streamPlan(PASSAGES),
      { kind: "passage", counts: [37, 3] },
      '{"cells":[{"direction":"towards","count":37},{"direction":"away","count":null}]}',
    ],
    [
      "speed",
      streamPlan(SPEED),
      { kind: "speed", counts: [2, 40, 12, 0] },
      '{"histogram":{"edges":[0,30,50,70,250],"counts":[null,40,12,null],"unit":"km/h","v85":null}}',
    ],
  ])("%s", (_, stream, statistic, body) => {
    expect(bodyOf(stream, statistic)).toBe(body);
  });

  it("is a reason when there is no number", () => {
    expect(bodyOf(streamPlan(), null)).toBe('{"reason":"missing"}');
    expect(bodyOf(streamPlan(), GAUGE, { coverage: 0 })).toBe('{"reason":"missing"}');
    expect(bodyOf(streamPlan(PASSAGES), { kind: "passage", counts: [0, 9] })).toBe('{"reason":"suppressed"}');
  });

  it("of counted people says with what k, and has no total", () => {
    const summary = parsed(streamPlan(PASSAGES), { kind: "passage", counts: [37, 3] });
    expect(summary.privacy).toEqual({ policy: "minimum-count", k: 10 });
    expect(summary).not.toHaveProperty("total");
  });
});

describe("topics", () => {
  it("are those of the contract", () => {
    expect(FORMAT.everything).toBe("city/voorbeeld/n0042/#");
    expect(FORMAT.summaryTopic("gate-1", "passages")).toBe("city/voorbeeld/n0042/gate-1/passages/summary");
  });
});
