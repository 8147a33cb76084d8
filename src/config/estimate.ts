import { cellsOf } from "../core/reading/direction.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { DAY_MS, durationMs, epochMs, HOUR_MS, isoDuration, isoUtc } from "../core/units/time.ts";
import type { NodePlan } from "./plan.ts";

// What a node will cost, before it runs. Estimates for a person who orders a SIM card or an SD card: each formula is stated
// next to its constants, and none is a promise.

/** Days of the month that is estimated. */
const MONTH_DAYS = 30;

/**
 * PUBLISH at QoS 1 besides topic and payload: fixed header 3, topic length 2, packet id 2, properties 30 (content type
 * `application/json` 19, message expiry 5, payload format 2, their length and some slack); PUBACK 4 (MQTT 5 §3.3, §3.4).
 */
const MQTT_BYTES = 41;
/** TLS 1.3 record: header 5, content type 1, tag 16 (RFC 8446 §5.2). One for PUBLISH, one for PUBACK. */
const TLS_RECORD_BYTES = 22;
/** IPv4 20, TCP 20, time stamps 12 (RFC 791, 9293, 7323). */
const SEGMENT_BYTES = 52;
/** PUBLISH, PUBACK and one bare TCP acknowledgement each way. */
const SEGMENTS_PER_EXCHANGE = 4;
const EXCHANGE_BYTES = MQTT_BYTES + 2 * TLS_RECORD_BYTES + SEGMENTS_PER_EXCHANGE * SEGMENT_BYTES;
/** PINGREQ and PINGRESP, 2 bytes each, the same way. */
const PING_BYTES = 4 + 2 * TLS_RECORD_BYTES + SEGMENTS_PER_EXCHANGE * SEGMENT_BYTES;
/** CONTRACT §4: a status every 300 s. Its size is that of a node with a few sensors. */
const STATUS_PER_DAY = DAY_MS / 300_000;
const STATUS_BYTES = 700;

/**
 * Fitted to reference/hot-path.md §5 (20 summaries of 350 B, 288 closes a day, `synchronous=FULL`). One transaction per stream in
 * place of one per tick costs 90.6 - 16.3 MB for 288 × 19 transactions more: 13.6 KB each (pages of table, root and header, once to the
 * WAL and once to the file). A tick makes two, close and acknowledgement: 288 × 27.2 KB = 7.8 MB. The 8.5 MB that remain of 16.3 are
 * 288 × 20 × 350 B = 2.0 MB of summaries, 4.2 times over.
 */
const TRANSACTION_BYTES = 13_600;
const TRANSACTIONS_PER_TICK = 2;
const ROW_WRITTEN_TIMES = 4.2;
/** Streams that close at once go in groups of this many, a transaction each (hot-path.md §6). */
const STREAMS_PER_TRANSACTION = 50;
/** 456 MB for a million rows of 350 B: what the table adds to a row (hot-path.md §4). */
const ROW_OVERHEAD_BYTES = 106;

/** What a node will send and write. Megabytes are millions of bytes; see the constants for each formula. */
export interface Estimate {
  readonly summariesPerDay: number;
  /**
   * (payload + topic + 41 MQTT + 2 × 22 TLS + 4 × 52 TCP/IP) for each summary and each status, plus a ping every keep-alive,
   * for 30 days. Without the handshake of a connection and without resends.
   */
  readonly uplinkMegabytesPerMonth: number;
  /** transactions × 13.6 KB + 4.2 × (payload + topic). Without clearing away after 72 h, and without readings: these stay in memory. */
  readonly flashMegabytesPerDay: number;
  /** How long the broker may be away before the oldest summary is dropped, by size and by age; null when nothing is published. */
  readonly outboxHours: number | null;
}

/** The streams that publish: of enabled sensors, and not withheld. */
export function publishingStreams(plan: Pick<NodePlan, "sensors" | "groups">): readonly StreamPlan[] {
  const streams = [
    ...plan.sensors.filter(({ enabled }) => enabled).flatMap((sensor) => sensor.streams),
    ...plan.groups.map(({ stream }) => stream),
  ];
  return streams.filter(({ policy }) => policy.is !== "withheld");
}

/** What this plan will cost on the uplink and on flash. */
export function estimate(plan: NodePlan): Estimate {
  const streams = publishingStreams(plan);
  let summariesPerDay = 0;
  let contentBytesPerDay = 0;
  for (const stream of streams) {
    const perDay = DAY_MS / stream.windowMs;
    summariesPerDay += perDay;
    contentBytesPerDay += perDay * contentBytes(plan, stream);
  }
  const exchangeBytes = contentBytesPerDay + summariesPerDay * EXCHANGE_BYTES + STATUS_PER_DAY * (STATUS_BYTES + EXCHANGE_BYTES);
  const pingBytes = (DAY_MS / plan.broker.keepAliveMs) * PING_BYTES;
  const flashBytes = transactionsPerDay(streams) * TRANSACTION_BYTES + contentBytesPerDay * ROW_WRITTEN_TIMES;
  const storedPerHour = ((contentBytesPerDay + summariesPerDay * ROW_OVERHEAD_BYTES) * HOUR_MS) / DAY_MS;
  const hoursBySize = plan.storage.outbox.maxBytes / storedPerHour;
  return {
    summariesPerDay,
    uplinkMegabytesPerMonth: inMegabytes((exchangeBytes + pingBytes) * MONTH_DAYS),
    flashMegabytesPerDay: inMegabytes(flashBytes),
    outboxHours: streams.length === 0 ? null : Math.floor(Math.min(hoursBySize, plan.storage.outbox.maxAgeMs / HOUR_MS)),
  };
}

/** Two digits are more than an estimate knows. */
const inMegabytes = (bytes: number): number => Math.round(bytes / 10_000) / 100;

/** Streams that close at the same instant share transactions; the instants of a day are counted out. */
function transactionsPerDay(streams: readonly StreamPlan[]): number {
  const closingAt = new Map<number, number>();
  for (const { windowMs, latenessMs } of streams) {
    for (let end = windowMs as number; end <= DAY_MS; end += windowMs) {
      const at = (end + latenessMs) % DAY_MS;
      closingAt.set(at, (closingAt.get(at) ?? 0) + 1);
    }
  }
  let transactions = 0;
  for (const count of closingAt.values()) transactions += TRANSACTIONS_PER_TICK - 1 + Math.ceil(count / STREAMS_PER_TRANSACTION);
  return transactions;
}

/** Payload and topic of a typical summary of this stream: its form (CONTRACT §3) filled with numbers of ordinary length. */
function contentBytes(plan: NodePlan, stream: StreamPlan): number {
  const start = isoUtc(epochMs(0));
  const topic = `${plan.broker.prefix}/${plan.node.id}/${stream.sensor}/${stream.name}/summary`;
  const payload = {
    v: 1,
    id: `${plan.node.id}/${stream.id}/${isoDuration(durationMs(stream.windowMs))}/${start}`,
    ...{ node: plan.node.id, instance: "9f3a01c2", seq: 1_000_000, prev: start, rev: "5be1c0aa" },
    ...{ sensor: stream.sensor, stream: stream.name, quantity: stream.channel.quantity, kind: stream.channel.kind },
    unit: stream.channel.unit,
    window: { start, end: start, seconds: stream.windowMs / 1_000 },
    made: start,
    ...typicalBody(stream),
    privacy: stream.policy.is === "minimum-count" ? { policy: stream.policy.is, k: stream.policy.k } : { policy: stream.policy.is },
    ...{ coverage: 0.99, quality: "ok", flags: [], time: "synced" },
  };
  return topic.length + JSON.stringify(payload).length;
}

function typicalBody({ channel, binEdges }: StreamPlan): object {
  switch (channel.kind) {
    case "gauge":
      return { stats: { samples: 900, mean: 12.42, min: 9.1, max: 17.9, stddev: 1.83, p50: 12.1, p95: 16.6 } };
    case "level":
      return { stats: { samples: 900, laeq: 61.42, lamax: 78.3, l10: 64.1, l50: 58.9, l90: 51.2 } };
    case "direction":
      return { stats: { samples: 900, mean: 182.4, resultant: 0.87 } };
    case "counter":
      return { stats: { samples: 900, sum: 12.42, peakPerHour: 3.1 } };
    case "state":
      return { stats: { samples: 900, share: Object.fromEntries(channel.states.map((state) => [state, 0.25])), transitions: 12 } };
    case "passage":
      return { cells: cellsOf(channel.cells).map((cell) => ({ ...cell, count: 100 })) };
    case "speed":
      return { histogram: { edges: binEdges, counts: binEdges.map(() => 12), unit: channel.unit, v85: null } };
    case "identity":
      return { stats: { distinct: 100 } };
  }
}
