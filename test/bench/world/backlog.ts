import type { Message } from "../../../src/core/anonymise/message.ts";
import { message } from "../../support/messages.ts";

const STREAMS = 50;

/** A message of the size and shape of a gauge's summary: CONTRACT §3. */
export function summaryLike(seq: number): Message {
  const sensor = `air-${(seq % STREAMS) + 1}`;
  const window = { start: "2026-11-23T10:00:00Z", end: "2026-11-23T10:15:00Z", seconds: 900 };
  const stats = { samples: 900, mean: 12.41, min: 9.1, max: 17.9, stddev: 1.83, p50: 12.1, p95: 16.6 };
  const body = {
    ...{ v: 1, id: `bench/${sensor}.pm25/PT15M/${window.start}`, node: "bench", instance: "9f3a01c2", seq, prev: "2026-11-23T09:45:00Z" },
    ...{ rev: "5be1c0aa", sensor, stream: "pm25", quantity: "pm25", kind: "gauge", unit: "ug/m3", window, made: "2026-11-23T10:15:31Z" },
    ...{ stats, privacy: { policy: "open" }, coverage: 1, quality: "ok", flags: [], time: "synced" },
  };
  return message(`bench/bench/${sensor}/pm25/summary`, JSON.stringify(body));
}
