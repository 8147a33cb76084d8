import type { RandomBytes } from "../../src/core/anonymise/noise/byte-pool.ts";
import { SensorCounters } from "../../src/core/events/counters.ts";
import type { ChannelPlan, StreamPlan } from "../../src/core/reading/stream.ts";
import { type EpsilonMicro, epsilonMicro } from "../../src/core/units/epsilon.ts";
import { nodeId, type SensorId } from "../../src/core/units/ids.ts";
import { isoUtc, SECOND_MS } from "../../src/core/units/time.ts";
import { NativeFormat } from "../../src/formats/native.ts";
import { COURSES_FACT } from "../../src/ports/outbox.ts";
import { Anchors } from "../../src/runtime/anchors.ts";
import { Closer, type MadeSummary } from "../../src/runtime/closer.ts";
import { FLUSH_EVERY_MS, Ingest } from "../../src/runtime/ingest.ts";
import type { Intake } from "../../src/runtime/intake.ts";
import { MetaBook } from "../../src/runtime/meta-book.ts";
import { TimeDesk } from "../../src/runtime/time-desk.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { FakeLiveStore } from "./fake-live-store.ts";
import { FakeOutbox, type SeenSummary } from "./fake-outbox.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";
import { nodePlan, sensorPlan } from "./plans.ts";
import { RecordingEvents } from "./recording-events.ts";
import { fixedCrypto } from "./virtual-node.ts";

/** What survives a restart: the stores and the clock. */
export interface Survivors {
  readonly clock?: VirtualClock;
  readonly live?: FakeLiveStore;
  readonly outbox?: FakeOutbox;
  /** Where noise comes from; absent: always the same. */
  readonly randomness?: RandomBytes;
  /** The budget of an account; absent: 1. */
  readonly capMicro?: EpsilonMicro;
}

/** Ingest, clock and closer of one sensor called `air-1`, ticking as in the node. */
export class CloserBench {
  readonly clock: VirtualClock;
  readonly live: FakeLiveStore;
  readonly outbox: FakeOutbox;
  readonly events = new RecordingEvents();
  readonly ingest: Ingest;
  readonly intake: Intake;
  readonly counters = new SensorCounters();
  readonly anchors: Anchors;
  readonly time: TimeDesk;
  readonly made: MadeSummary[] = [];
  readonly closer: Closer;
  readonly simulated = new Set<SensorId>();
  /** What each run of the closer answered. */
  readonly runs: boolean[] = [];
  #tickedMs = Number.NEGATIVE_INFINITY;

  constructor(
    streams: readonly StreamPlan[],
    { clock, live, outbox, randomness = seededBytes(1), capMicro = epsilonMicro(1_000_000) }: Survivors = {},
  ) {
    this.clock = clock ?? new VirtualClock();
    this.live = live ?? new FakeLiveStore();
    this.outbox = outbox ?? new FakeOutbox();
    const channels = [...new Map(streams.map(({ channel }): [string, ChannelPlan] => [channel.name, channel])).values()];
    this.ingest = new Ingest({ live: this.live, events: this.events, crypto: { ...fixedCrypto, ...randomness } });
    this.intake = this.ingest.addSensor(channels, streams, this.counters);
    const { clock: itsClock, events, ingest } = this;
    this.anchors = new Anchors({ clock: itsClock, events, live: this.live, ingest, closer: () => this.closer });
    this.time = new TimeDesk(this.clock, this.events, "operator", (offsetMs, how) => this.anchors.anchored(offsetMs, how));
    const format = new NativeFormat("p", nodeId("n0042"));
    this.closer = new Closer(
      {
        clock: this.clock,
        live: this.live,
        outbox: this.outbox,
        events: this.events,
        ingest: this.ingest,
        time: this.time,
        format,
        metas: new MetaBook(nodePlan([sensorPlan({ channels, streams })]), format, fixedCrypto, "0.1.0"),
        node: nodeId("n0042"),
        crypto: { ...fixedCrypto, ...randomness },
        epsilonPerEventMicro: capMicro,
        isSimulated: (sensor) => this.simulated.has(sensor),
        commit: (batch) => this.outbox.commit(batch),
        onMade: (one) => this.made.push(one),
      },
      streams,
      { marks: this.outbox.markOf, courses: this.outbox.factOf.get(COURSES_FACT) ?? null },
    );
  }

  /** Lets time pass in ticks of 250 ms; the clock is looked at and the closer runs once a second. */
  async pass(ms: number, eachSecond: () => void = () => undefined): Promise<void> {
    const untilMs = this.clock.monotonicMs() + ms;
    while (this.clock.monotonicMs() < untilMs) {
      const nowMs = this.clock.monotonicMs();
      if (nowMs - this.#tickedMs >= SECOND_MS) {
        this.#tickedMs = nowMs;
        this.time.tick();
        await this.anchors.labelWaiting();
        eachSecond();
        this.runs.push(await this.closer.run());
      }
      await this.clock.advance(Math.min(FLUSH_EVERY_MS, untilMs - nowMs));
      this.ingest.tick(this.clock.monotonicMs());
    }
  }

  /** The port opens, with a rhythm of 5 s. */
  open(withinMs: number | null = 5_000): void {
    this.intake.opened(this.clock.monotonicMs());
    this.intake.expect(withinMs);
  }

  read(value: number, channel = "pm25"): void {
    this.intake.reading(channel, value, undefined, this.clock.monotonicMs());
  }

  get now(): string {
    return isoUtc(this.clock.wallMs());
  }

  summaries(stream?: string): readonly SeenSummary[] {
    return this.outbox.summaries().filter((one) => stream === undefined || one.stream === stream);
  }
}
