import { groupCoverage } from "../core/anonymise/group.ts";
import { BytePool, type RandomBytes } from "../core/anonymise/noise/byte-pool.ts";
import type { ClosedWindow, Flag, Summary } from "../core/anonymise/summary.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { EpsilonMicro } from "../core/units/epsilon.ts";
import type { NodeId, SensorId, StreamId } from "../core/units/ids.ts";
import { type DurationMs, type EpochMs, isoUtc } from "../core/units/time.ts";
import { coverageOf } from "../core/window/coverage.ts";
import { type Window, windowAt } from "../core/window/lattice.ts";
import { type WindowReadings, WindowTable } from "../core/window/readings.ts";
import { type ExactStatistic, exactStatistic, type StatisticShape } from "../core/window/statistics.ts";
import type { NativeFormat } from "../formats/native.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import { LIVE_PROBLEMS, type LiveStore, LiveStoreError } from "../ports/live-store.ts";
import { type CloseBatch, COURSES_FACT, type Mark, type NewRow, type Outbox } from "../ports/outbox.ts";
import { CloseSchedule, type Closing, type DueWindow } from "./close-schedule.ts";
import { flagsOf, partsOf, shapeOf } from "./closing-parts.ts";
import { closingsOf, replannedClosings, skipOpen } from "./closings.ts";
import { CourseBook } from "./course-book.ts";
import { DerivedDesk } from "./derived-desk.ts";
import type { Ingest } from "./ingest.ts";
import type { Lane } from "./lane.ts";
import type { MetaBook } from "./meta-book.ts";
import { PrivacyDesk } from "./privacy-desk.ts";
import { type Candidate, type Release, Releases } from "./releases.ts";
import type { Remembered } from "./remembered.ts";
import type { TimeDesk } from "./time-desk.ts";

/**
 * The most (stream, window) pairs in one transaction, or a few more where tables of one sensor stay together. What is due in one tick is
 * committed together, for a commit costs an fsync, and the pages that every commit writes.
 */
export const GROUP_PAIRS_MAX = 100;
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
  /** Where noise comes from. */
  readonly crypto: RandomBytes & Pick<Crypto, "sha256">;
  /** The most that an account may spend on one event. */
  readonly epsilonPerEventMicro: EpsilonMicro;
  /** Whether a sensor's port is a simulator or a replay: its summaries say so. */
  isSimulated(sensor: SensorId): boolean;
  /** Whether somebody worked on a sensor of the stream within the window. */
  isInMaintenance?(stream: StreamPlan, window: Window): boolean;
  onMade(made: MadeSummary): void;
  /** `outbox.commit`, with whatever else can be written down at the same time. */
  commit(batch: CloseBatch): Promise<void>;
}

/** A release that is not written yet. */
interface Waiting extends Release {
  /** Where its stream stood before. */
  readonly before: Pick<Closing, "mark" | "course">;
  /** Its course when it was made: a later window of the same group may have another. */
  readonly course: Closing["course"];
}

/**
 * Closes windows that are over: reads what the live store holds of them, makes exact statistics, anonymises, and commits summaries
 * and marks together. After a crash anywhere in between, the same window is closed again, to the same id.
 */
export class Closer {
  /** The books of what is told about people. */
  readonly privacy: PrivacyDesk;
  readonly #world: CloserWorld;
  #closings: readonly Closing[];
  #schedule: CloseSchedule;
  readonly #releases: Releases;
  #derived: DerivedDesk;
  readonly #courses: CourseBook;
  readonly #startedMs: number;
  #nextSeq: number;
  #running: Promise<boolean> | null = null;
  #problem: NodeProblem | null = null;

  constructor(world: CloserWorld, streams: readonly StreamPlan[], { marks, courses }: Pick<Remembered, "marks" | "courses">) {
    this.#world = world;
    this.#courses = new CourseBook(world.crypto, courses);
    this.#nextSeq = world.outbox.standing().lastSeq + 1;
    this.#closings = closingsOf(streams, { marks, courses: this.#courses }, world);
    this.#derived = new DerivedDesk(world.outbox, world.crypto, streams);
    this.#startedMs = world.clock.monotonicMs();
    this.privacy = new PrivacyDesk(world, streams, world.epsilonPerEventMicro);
    this.#releases = new Releases({ ...world, privacy: this.privacy, pool: new BytePool(world.crypto) });
    this.#schedule = new CloseSchedule(this.#closings, world.live, world.events);
  }

  /** Between two runs: these streams are closed from now on. Those that mean the same go on where they stand (`closings.ts`). */
  replan(streams: readonly StreamPlan[], marks: ReadonlyMap<StreamId, Mark>): void {
    const { live, events, outbox, crypto, ingest, epsilonPerEventMicro } = this.#world;
    this.#closings = replannedClosings(this.#closings, streams, { marks, courses: this.#courses }, this.#world);
    this.#schedule = new CloseSchedule(this.#closings, live, events);
    this.#derived = new DerivedDesk(outbox, crypto, streams);
    this.privacy.replan(streams, epsilonPerEventMicro);
    ingest.retireLanes(new Set(this.#closings.map(({ lane }) => lane)));
  }

  /** Another plan was tried, and taken back: windows that were open for these streams hold readings of both, and are not published. */
  restore(redefined: readonly StreamId[]): void {
    const { events, live, ingest } = this.#world;
    for (const closing of this.#closings) if (redefined.includes(closing.plan.id)) skipOpen(closing, events);
    // Looks again for readings that nobody will close.
    this.#schedule = new CloseSchedule(this.#closings, live, events);
    ingest.retireLanes(new Set(this.#closings.map(({ lane }) => lane)));
  }

  /** Why the last run failed; null: it did not. */
  get problem(): NodeProblem | null {
    return this.#problem;
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

  /** Time was trusted anew: streams that were ahead of it go on where they may. */
  comeBack(now: EpochMs): void {
    this.#schedule.comeBack(now);
    this.privacy.regained(now);
  }

  /** Reads anew where the outbox stands, after a call of which the outcome is not known. False: it cannot be opened. */
  async recover(): Promise<boolean> {
    try {
      await this.#world.outbox.reopen();
      this.#courses.reload(await this.#world.outbox.recall(COURSES_FACT));
      this.#schedule.restore(await this.#world.outbox.marks(), this.#courses);
      await this.privacy.reload();
      await this.#derived.load();
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
      await this.privacy.settle(now, this.#bornMs(now));
      if (!this.#derived.isLoaded) await this.#derived.load();
      this.#schedule.place(now, this.privacy.born, this.#world.outbox.isDoubtful);
      this.#schedule.tidy();
      const waiting: Waiting[] = [];
      try {
        for (let due = this.#schedule.next(now); due !== null; due = this.#schedule.next(now)) await this.#closeWindow(due, waiting);
      } finally {
        // Also when a later window could not be read: those that could are whole.
        await this.#commit(waiting);
      }
      this.#problem = null;
      return true;
    } catch (error) {
      this.#problem = error instanceof LiveStoreError ? LIVE_PROBLEMS[error.code] : "OUTBOX_FAILED";
      // The rows are not there, the readings are: the next run does it again, after the outbox was read anew.
      this.#world.events.emit({ type: "CloseFailed", detail: error instanceof Error ? error.message : String(error) });
      if (!(error instanceof LiveStoreError)) await this.recover();
      return false;
    }
  }

  /** When this run began, in trusted time: a store that does not know when it was made was made no later. */
  #bornMs(now: EpochMs): EpochMs {
    return (now - (this.#world.clock.monotonicMs() - this.#startedMs)) as EpochMs;
  }

  /** Adds the releases of a window to `waiting`, which are committed whenever there are enough of them. */
  async #closeWindow({ windowMs, window, streams }: DueWindow, waiting: Waiting[]): Promise<void> {
    const { ingest, clock } = this.#world;
    const end = (window + windowMs) as EpochMs;
    // From here on, what comes for this window is late: nothing is added to what is about to be read.
    for (const { lane } of streams) lane.closedTo = Math.max(lane.closedTo, end) as EpochMs;
    ingest.flush();
    const table = new WindowTable(ingest.streams);
    try {
      await this.#read(table, windowMs, window);
      this.#checkBalance(table, streams, window);
      for (const part of partsOf(streams)) {
        for (const release of this.#releases.of(part.map((closing) => this.#candidate(closing, table, window)))) {
          const { closing, mark } = release;
          const { course } = closing;
          waiting.push({ ...release, course, before: { mark: closing.mark, course } });
          closing.mark = mark;
        }
        if (waiting.length >= GROUP_PAIRS_MAX) await this.#commit(waiting);
        await clock.breathe();
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

  #candidate(closing: Closing, table: WindowTable, start: EpochMs): Candidate {
    const { plan, index, lane } = closing;
    if (plan.policy.is === "group") return this.#groupCandidate(closing, table, start);
    const readings = table.of(index);
    const closed: ClosedWindow = {
      stream: plan,
      window: windowAt(start, plan.windowMs),
      coverage: coverageOf(readings, lane.lastsMs(start)),
      statistic: this.#statisticOf(plan, shapeOf(plan, lane.monotonicOf(start) ?? 0), readings),
      flags: flagsOf(plan, readings, start, this.#world),
      time: this.#world.time.state() ?? "holdover",
    };
    return { closing, closed };
  }

  /** A group is made of the windows of its members, which are all in one lane. */
  #groupCandidate(closing: Closing, table: WindowTable, start: EpochMs): Candidate {
    const { plan, members, lane } = closing;
    const shape = shapeOf(plan, lane.monotonicOf(start) ?? 0);
    const flags = new Set<Flag>();
    const windows = members.map((index) => {
      const readings = table.of(index);
      for (const flag of flagsOf(plan, readings, start, this.#world)) flags.add(flag);
      const statistic = this.#statisticOf(plan, shape, readings);
      return { coverage: coverageOf(readings, lane.lastsMs(start)), statistic: statistic === "failed" ? null : statistic };
    });
    const closed: ClosedWindow = {
      stream: plan,
      window: windowAt(start, plan.windowMs),
      coverage: groupCoverage(windows),
      statistic: { kind: "group", members: windows },
      flags: [...flags],
      time: this.#world.time.state() ?? "holdover",
    };
    return { closing, closed };
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

  /** Commits `waiting` and leaves it empty; then the readings go. When that fails, the streams stand where they stood. */
  async #commit(waiting: Waiting[]): Promise<void> {
    const releases = waiting.splice(0);
    if (releases.length === 0) return;
    try {
      await this.#write(releases);
    } catch (error) {
      for (const { closing, before } of releases.reverse()) Object.assign(closing, before);
      throw error;
    }
    await this.#purge(new Set(releases.map(({ closing }) => closing.lane)));
  }

  async #write(releases: readonly Waiting[]): Promise<void> {
    const { outbox, format, metas, node, events, onMade } = this.#world;
    const made = this.#world.time.now() ?? this.#world.clock.wallMs();
    const rows: NewRow[] = [];
    const published: MadeSummary[] = [];
    let seq = this.#nextSeq;
    const add = (summary: Summary, prev: EpochMs | null): void => {
      const rev = metas.revOf(summary.stream.sensor);
      rows.push({ message: format.summary(summary, { node, instance: outbox.instance, seq, prev, rev, made }), seq });
      published.push({ summary, seq });
      seq++;
    };
    for (const { summary, before } of releases) if (summary !== null) add(summary, before.mark.lastStart);
    const parts = releases.flatMap(({ summary, course: { until } }) => (summary === null ? [] : [{ summary, until }]));
    const derived = this.#derived.of(parts);
    for (const { summary, prev } of derived.summaries) add(summary, prev);
    const marks = new Map([...releases.map(({ closing, mark }) => [closing.plan.id, mark] as const), ...derived.marks]);
    const charges = releases.flatMap(({ span }) => (span === null ? [] : [span]));
    const courses = this.#courses.with(releases.map(({ closing, course }) => [closing.plan.id, course] as const));
    const facts = courses === null ? derived.facts : new Map([...derived.facts, [COURSES_FACT, courses]]);
    const batch: CloseBatch = { rows, marks, facts, charges, madeAt: made };
    await this.#world.commit(batch);
    if (courses !== null) this.#courses.reload(courses);
    this.#releases.written(releases);
    this.#derived.written(derived);
    this.#nextSeq = seq;
    for (const one of published) {
      const { stream, window } = one.summary;
      events.emit({ type: "SummaryMade", stream: stream.id, window: isoUtc(window.start), seq: one.seq });
      onMade(one);
    }
  }
}
