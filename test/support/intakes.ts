import { DROP_REASONS, SensorCounters } from "../../src/core/events/counters.ts";
import { meaningOf } from "../../src/core/reading/meaning.ts";
import type { ChannelPlan, StreamPlan } from "../../src/core/reading/stream.ts";
import { epochMs, type MonotonicMs, monotonicMs } from "../../src/core/units/time.ts";
import { coverageOf } from "../../src/core/window/coverage.ts";
import { type WindowReadings, WindowTable } from "../../src/core/window/readings.ts";
import { type ExactStatistic, exactStatistic } from "../../src/core/window/statistics.ts";
import { FLUSH_EVERY_MS, Ingest } from "../../src/runtime/ingest.ts";
import type { Intake } from "../../src/runtime/intake.ts";
import { FakeLiveStore } from "./fake-live-store.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";
import { RecordingEvents } from "./recording-events.ts";
import { fixedCrypto } from "./virtual-node.ts";

/** Ingest of one sensor over a store in memory. Wall time is monotonic time; the first window begins at 0. */
export class IntakeBench {
  readonly live: FakeLiveStore;
  readonly events = new RecordingEvents();
  readonly counters = new SensorCounters();
  readonly ingest: Ingest;
  readonly intake: Intake;
  readonly #streams: readonly StreamPlan[];
  nowMs: MonotonicMs;

  /** `live`, `fromMs`: what an earlier run left, and when that was. */
  constructor(
    channels: readonly ChannelPlan[],
    streams: readonly StreamPlan[],
    { isTrusted = true, live = new FakeLiveStore(), fromMs = 0 } = {},
  ) {
    this.live = live;
    this.nowMs = monotonicMs(fromMs);
    this.#streams = streams;
    this.ingest = new Ingest({ live: this.live, events: this.events, crypto: { ...fixedCrypto, ...seededBytes(1) } });
    this.intake = this.ingest.addSensor(channels, streams, this.counters);
    if (isTrusted) this.ingest.anchor(0, this.nowMs, "first");
  }

  /** Lets time pass the way the node does: a tick every 250 ms. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs = monotonicMs(Math.min(untilMs, this.nowMs + FLUSH_EVERY_MS));
      this.ingest.tick(this.nowMs);
    }
  }

  open(): void {
    this.intake.opened(this.nowMs);
  }

  read(channel: string, value: number | null, detail?: Parameters<Intake["reading"]>[2]): void {
    this.intake.reading(channel, value, detail, this.nowMs);
  }

  total(channel: string, value: number, modulus?: number): void {
    this.intake.total(channel, value, modulus, this.nowMs);
  }

  /** What the store holds of a stream in the window that starts at `window`. */
  readings(stream: StreamPlan | undefined = this.#streams[0], window = 0): WindowReadings {
    if (stream === undefined) throw new Error("this bench has no stream");
    this.ingest.cover(this.nowMs);
    this.ingest.flush();
    const table = new WindowTable(this.ingest.streams);
    for (const { data } of this.live.read(stream.windowMs, epochMs(window))) table.take(data);
    for (let index = 0; index < table.chunks; index++) table.scatter(index);
    return table.of(this.live.streamIndex(stream.id, meaningOf(stream)));
  }

  statistic(stream = this.#streams[0], window = 0): ExactStatistic | null {
    if (stream === undefined) throw new Error("this bench has no stream");
    const { kind, cells, states } = stream.channel;
    const shape = { kind, windowMs: stream.windowMs, startMs: window, cells, states, bound: null, binEdges: stream.binEdges };
    return exactStatistic(shape, this.readings(stream, window));
  }

  coverage(stream = this.#streams[0], window = 0): number {
    return coverageOf(this.readings(stream, window), stream?.windowMs ?? 0);
  }

  /** The counters in short, without those that are zero. */
  books(): Readonly<Record<string, number>> {
    const { emitted, stored, setAside, dropped } = this.counters;
    const all = Object.entries({
      emitted,
      stored,
      setAside,
      ...Object.fromEntries(DROP_REASONS.map((reason) => [reason, dropped[reason]])),
    });
    return Object.fromEntries(all.filter(([, count]) => count !== 0));
  }
}
