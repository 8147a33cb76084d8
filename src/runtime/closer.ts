import { anonymise, type Flag, type Summary } from "../core/anonymise/summary.ts";
import { MARK } from "../core/reading/record.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { NodeId, SensorId, StreamId } from "../core/units/ids.ts";
import { type DurationMs, type EpochMs, isoUtc } from "../core/units/time.ts";
import { coverageOf } from "../core/window/coverage.ts";
import { windowAt } from "../core/window/lattice.ts";
import { type WindowReadings, WindowTable } from "../core/window/readings.ts";
import { type ExactStatistic, exactStatistic, type StatisticShape } from "../core/window/statistics.ts";
import type { NativeFormat } from "../formats/native.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { type LiveStore, LiveStoreError } from "../ports/live-store.ts";
import type { CloseBatch, Mark, NewRow, Outbox } from "../ports/outbox.ts";
import { CloseSchedule, type Closing, type DueWindow } from "./close-schedule.ts";
import type { Ingest } from "./ingest.ts";
import type { Lane } from "./lane.ts";
import type { MetaBook } from "./meta-book.ts";
import type { TimeDesk } from "./time-desk.ts";

/**
 * The most (stream, window) pairs in one transaction. What is due in one tick is committed together, for a commit costs an fsync,
 * and the pages that every commit writes.
 */
export const GROUP_PAIRS_MAX = 100;
/** Pairs that are made between two breaths. */
const SLICE_PAIRS = 50;
/** Chunks that are sorted between two breaths. */
const SLICE_CHUNKS = 25;
/** Chunks that are zeroed between two breaths: a full one takes longer than to sort it. */
const PURGE_CHUNKS = 50;

/** One summary that just became durable; for a terminal that wants to show it. */
export interface MadeSummary {
  readonly summary: Summary;
  readonly seq: number;
}

export interface CloserWorld {
  readonly clock: Clock;
  readonly live: LiveStore;
  readonly outbox: Outbox;
  readonly events: Events;
  readonly ingest: Ingest;
  readonly time: TimeDesk;
  readonly format: NativeFormat;
  readonly metas: MetaBook;
  readonly node: NodeId;
  /** Whether a sensor's port is a simulator or a replay: its summaries say so. */
  isSimulated(sensor: SensorId): boolean;
  onMade(made: MadeSummary): void;
  /** `outbox.commit`, with whatever else can be written down at the same time. */
  commit(batch: CloseBatch): Promise<void>;
}

interface Pair {
  readonly closing: Closing;
  readonly summary: Summary | null;
  /** Where the stream stood before, and stands with this window closed. */
  readonly before: Mark;
  readonly mark: Mark;
}

/**
 * Closes windows that are over: reads what the live store holds of them, makes exact statistics, anonymises, and commits summaries
 * and marks together. After a crash anywhere in between, the same window is closed again, to the same id.
 */
export class Closer {
  readonly #world: CloserWorld;
  readonly #schedule: CloseSchedule;
  #nextSeq: number;
  #running: Promise<boolean> | null = null;

  /** `marks`: where the outbox stands. */
  constructor(world: CloserWorld, streams: readonly StreamPlan[], marks: ReadonlyMap<StreamId, Mark>) {
    this.#world = world;
    this.#nextSeq = world.outbox.standing().lastSeq + 1;
    const closings = streams
      .filter((plan) => plan.policy.is !== "withheld")
      .map((plan) => ({
        plan,
        index: world.live.streamIndex(plan.id),
        lane: world.ingest.lane(plan.sensitivity, plan.windowMs, plan.latenessMs),
        mark: marks.get(plan.id) ?? { closedTo: 0 as EpochMs, lastStart: null },
        isPlaced: false,
      }));
    this.#schedule = new CloseSchedule(closings, world.live, world.events);
  }

  /** Closes everything that is due; false when that failed and is to be tried again. A call during a run waits for that run. */
  run(): Promise<boolean> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Whether windows were closed that are not over yet by the clock of now: nothing can be made until it is past them. */
  isAhead(now: EpochMs): boolean {
    return this.#schedule.isAhead(now);
  }

  /** Reads anew where the outbox stands, after a call of which the outcome is not known. False: it cannot be opened. */
  async recover(): Promise<boolean> {
    try {
      await this.#world.outbox.reopen();
      this.#schedule.restore(await this.#world.outbox.marks());
      this.#nextSeq = this.#world.outbox.standing().lastSeq + 1;
      return true;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#world.events.emit({ type: "OutboxFailed", code: "reopen", detail });
      return false;
    }
  }

  async #run(): Promise<boolean> {
    const now = this.#world.time.now();
    if (now === null) return true;
    try {
      this.#schedule.place(now);
      this.#schedule.tidy();
      const pairs: Pair[] = [];
      try {
        for (let due = this.#schedule.next(now); due !== null; due = this.#schedule.next(now)) await this.#closeWindow(due, pairs);
      } finally {
        // Also when a later window could not be read: those that could are whole.
        await this.#commit(pairs);
      }
      return true;
    } catch (error) {
      // The rows are not there, the readings are: the next run does it again, after the outbox was read anew.
      this.#world.events.emit({ type: "CloseFailed", detail: error instanceof Error ? error.message : String(error) });
      if (!(error instanceof LiveStoreError)) await this.recover();
      return false;
    }
  }

  /** Adds the pairs of a window to `pairs`, which are committed whenever there are enough of them. */
  async #closeWindow({ windowMs, window, streams }: DueWindow, pairs: Pair[]): Promise<void> {
    const { ingest, clock } = this.#world;
    const end = (window + windowMs) as EpochMs;
    // From here on, what comes for this window is late: nothing is added to what is about to be read.
    for (const { lane } of streams) lane.closedTo = Math.max(lane.closedTo, end) as EpochMs;
    ingest.flush();
    const table = new WindowTable(ingest.streams);
    try {
      await this.#read(table, windowMs, window);
      this.#checkBalance(table, streams, window);
      for (const [index, closing] of streams.entries()) {
        const pair = this.#pair(closing, table, window);
        closing.mark = pair.mark;
        pairs.push(pair);
        if (pairs.length === GROUP_PAIRS_MAX) await this.#commit(pairs);
        if (index % SLICE_PAIRS === SLICE_PAIRS - 1) await clock.breathe();
      }
    } finally {
      table.wipe();
    }
  }

  /** Deletes the readings of windows that every stream of a lane's class has closed: all of them, once for all that were committed. */
  async #purge(lanes: Iterable<Lane>): Promise<void> {
    const { live, clock } = this.#world;
    for (const lane of lanes) {
      const { sensitivity, windowMs } = lane;
      const closedTo = this.#schedule.closedByAll(sensitivity, windowMs);
      while (live.purge(sensitivity, windowMs, closedTo, PURGE_CHUNKS) === PURGE_CHUNKS) await clock.breathe();
      lane.forget((closedTo - windowMs) as EpochMs);
    }
  }

  async #read(table: WindowTable, windowMs: DurationMs, window: EpochMs): Promise<void> {
    for (const chunk of this.#world.live.read(windowMs, window)) {
      table.take(chunk.data);
      if (table.chunks % SLICE_CHUNKS === 0) await this.#world.clock.breathe();
    }
    for (let index = 0; index < table.chunks; index++) {
      table.scatter(index);
      if (index % SLICE_CHUNKS === SLICE_CHUNKS - 1) await this.#world.clock.breathe();
    }
  }

  /** At least as many records must come out as this run put in. */
  #checkBalance(table: WindowTable, streams: readonly Closing[], window: EpochMs): void {
    let appended = 0;
    for (const lane of new Set(streams.map((stream) => stream.lane))) appended += lane.appendedTo(window);
    if (table.total < appended) this.#world.events.emit({ type: "BalanceBroken", what: `readings of the window ${isoUtc(window)}` });
  }

  #pair(closing: Closing, table: WindowTable, start: EpochMs): Pair {
    const { plan, index, lane } = closing;
    const window = windowAt(start, plan.windowMs);
    const readings = table.of(index);
    const { kind, cells, states } = plan.channel;
    const startMs = lane.monotonicOf(start) ?? 0;
    const shape = { kind, windowMs: plan.windowMs, startMs, cells, states, binEdges: plan.binEdges };
    const result = anonymise({
      stream: plan,
      window,
      coverage: coverageOf(readings, plan.windowMs),
      statistic: this.#statisticOf(plan, shape, readings),
      flags: this.#flagsOf(plan, readings, window.start),
      time: this.#world.time.state() ?? "holdover",
    });
    const summary = "is" in result ? null : result;
    if (summary === null)
      this.#world.events.emit({ type: "StreamWithheld", stream: plan.id, because: "is" in result ? result.because : "" });
    const before = closing.mark;
    const mark = { closedTo: window.end, lastStart: summary === null ? before.lastStart : window.start };
    return { closing, summary, before, mark };
  }

  /** A bug in the statistic of one stream costs its number, and no other stream's. */
  #statisticOf({ id }: StreamPlan, shape: StatisticShape, readings: WindowReadings): ExactStatistic | "failed" | null {
    try {
      return exactStatistic(shape, readings);
    } catch (error) {
      this.#world.events.emit({ type: "StatisticFailed", stream: id, detail: error instanceof Error ? error.name : "unknown" });
      return "failed";
    }
  }

  #flagsOf(plan: StreamPlan, readings: WindowReadings, start: EpochMs): readonly Flag[] {
    let marks = 0;
    for (let index = 0; index < readings.count; index++) marks |= readings.marks[index] as number;
    const validUntil = plan.channel.calibration?.validUntil;
    const flags: Flag[] = [];
    if (marks & MARK.stepped) flags.push("stepped");
    if (marks & MARK.warming) flags.push("warming");
    if (validUntil !== undefined && isoUtc(start) > `${validUntil}T23:59:59Z`) flags.push("calibration-overdue");
    if (this.#world.time.state() === "holdover") flags.push("holdover");
    if (marks & MARK.deviceInterval) flags.push("device-interval");
    if (this.#world.isSimulated(plan.sensor)) flags.push("simulated");
    return flags;
  }

  /** Commits `waiting` and leaves it empty; then the readings go. When that fails, the streams stand where they stood. */
  async #commit(waiting: Pair[]): Promise<void> {
    const pairs = waiting.splice(0);
    if (pairs.length === 0) return;
    try {
      await this.#write(pairs);
    } catch (error) {
      for (const { closing, before } of pairs.reverse()) closing.mark = before;
      throw error;
    }
    await this.#purge(new Set(pairs.map(({ closing }) => closing.lane)));
  }

  async #write(pairs: readonly Pair[]): Promise<void> {
    const { outbox, format, metas, node, events, onMade } = this.#world;
    const made = this.#world.time.now() ?? this.#world.clock.wallMs();
    const rows: NewRow[] = [];
    const published: MadeSummary[] = [];
    let seq = this.#nextSeq;
    for (const { closing, summary, before } of pairs) {
      if (summary === null) continue;
      const rev = metas.revOf(closing.plan.sensor);
      const envelope = { node, instance: outbox.instance, seq, prev: before.lastStart, rev, made };
      rows.push({ message: format.summary(summary, envelope), seq });
      published.push({ summary, seq });
      seq++;
    }
    const marks = new Map(pairs.map(({ closing, mark }) => [closing.plan.id, mark]));
    const batch: CloseBatch = { rows, marks, facts: new Map(), madeAt: made };
    await this.#world.commit(batch);
    this.#nextSeq = seq;
    for (const one of published) {
      const { stream, window } = one.summary;
      events.emit({ type: "SummaryMade", stream: stream.id, window: isoUtc(window.start), seq: one.seq });
      onMade(one);
    }
  }
}
