import { assert } from "../core/assert.ts";
import type { DropReason, SensorCounters } from "../core/events/counters.ts";
import { meaningOf } from "../core/reading/meaning.ts";
import type { Sensitivity } from "../core/reading/quantity.ts";
import { ChunkReader, MARK, RECORD_BYTES } from "../core/reading/record.ts";
import type { ChannelPlan, StreamPlan } from "../core/reading/stream.ts";
import { type DurationMs, type EpochMs, HOUR_MS, MINUTE_MS, type MonotonicMs } from "../core/units/time.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import { type LiveChunk, type LiveStore, LiveStoreError, type StoredChunk } from "../ports/live-store.ts";
import { Intake } from "./intake.ts";
import { type Channel, channelOf, type Slot } from "./intake-channel.ts";
import { type Anchoring, Lane } from "./lane.ts";
import type { Labelling } from "./relabel.ts";
import { SHED_CHUNKS, Waiting } from "./waiting.ts";

/** Readings that wait in memory are given to the live store at the latest after this many, or at the next tick. */
export const FLUSH_RECORDS = 1_000;
/** How often the runtime ticks: the longest a reading waits before it is in the live store. */
export const FLUSH_EVERY_MS = 250;
/** A sensor that is not heard on a rhythm is vouched for by its link this often. */
const COVER_EVERY_MS = 1_000;

/** While time is not trusted readings wait; beyond this many chunks the oldest go, and are counted. */
const WAITING_CHUNKS_MAX = 200_000;
/**
 * How long readings of people may wait for the clock, or, once their window is over, for it to be closed: the longest window that they may
 * have (CONTRACT §1), and their lateness on top. Whoever cannot close a window for so long publishes it without a number.
 */
export const PEOPLE_WAIT_MS_MAX = HOUR_MS;
/** How often old readings are looked for: by so much they may be older. */
export const SHED_EVERY_MS = MINUTE_MS;
/** What waits makes room for what comes by so much at a time: as much as two full chunks, or minutes of small ones. */
const SHED_BYTES = 2 * FLUSH_RECORDS * RECORD_BYTES;

/** What ingest stands on. */
export interface IngestWorld {
  readonly live: LiveStore;
  readonly events: Events;
  /** For identifiers. */
  readonly crypto: Crypto;
}

/** Whether readings of a stream are kept until their window is closed: it leaves, by itself or with its group. */
const isWatched = ({ policy, from, group }: StreamPlan): boolean =>
  from === null && policy.is !== "group" && (policy.is !== "withheld" || group !== null);

/** All intakes of a node, and the flush of what they collect. */
export class Ingest {
  readonly #world: IngestWorld;
  readonly #lanes = new Map<string, Lane>();
  readonly #intakes = new Set<Intake>();
  readonly #countersOfStream: SensorCounters[] = [];
  readonly #laneOfStream: Lane[] = [];
  #pending = 0;
  #coveredAtMs = Number.NEGATIVE_INFINITY;
  /** Why the store does not take readings, or hardly. */
  #trouble: LiveStoreError["code"] | null = null;
  /** What waits for the clock made room for what came: the store is as good as full until time is trusted. */
  #isTrading = false;
  /** What is flushed now was due whoever passed: a second of coverage is in it. */
  #isCovering = false;
  readonly #waiting: Waiting;
  /** The longest lateness of people's streams. */
  #latenessMsMax = 0;
  #lookedForOldMs = Number.NEGATIVE_INFINITY;
  #isExpiring = false;
  /** The offset between the clocks that was last taken over; null while time is not trusted. */
  #offsetMs: number | null = null;
  #tickedMs = 0 as MonotonicMs;

  constructor(world: IngestWorld) {
    this.#world = world;
    this.#waiting = new Waiting(world.live, (data) => this.#countShed(data, "clock-untrusted"));
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The live store took nothing the last time. */
  get isFull(): boolean {
    return this.#trouble === "LIVE_FULL";
  }

  /** The store does not take readings, for a reason that is not its size. */
  get isFailing(): boolean {
    return this.#trouble === "LIVE_IO";
  }

  /** One more than the highest stream index in use. */
  get streams(): number {
    return this.#countersOfStream.length;
  }

  /** `channels`: everything the driver can emit; `streams`: what the operator made of it. */
  addSensor(channels: readonly ChannelPlan[], streams: readonly StreamPlan[], counters: SensorCounters): Intake {
    const intake = new Intake(this.#lineup(channels, streams, counters), counters, this.#world.crypto);
    this.#intakes.add(intake);
    return intake;
  }

  /** Something else is made of a sensor's channels from now on. Streams that stay in their lane keep their coverage. */
  rearrangeSensor(intake: Intake, channels: readonly ChannelPlan[], streams: readonly StreamPlan[], nowMs: MonotonicMs): void {
    intake.rearrange(this.#lineup(channels, streams, intake.counters), nowMs);
  }

  /** A sensor whose port is closed for good. What is stored of it stays. */
  removeSensor(intake: Intake): void {
    this.#intakes.delete(intake);
  }

  /** Lanes that no stream is in any more: what they hold goes to the live store, and their secrets are destroyed. */
  retireLanes(closed: ReadonlySet<Lane>): void {
    const inUse = new Set([...closed, ...[...this.#intakes].flatMap((intake) => intake.lanes)]);
    for (const [key, lane] of this.#lanes) {
      if (inUse.has(lane)) continue;
      lane.flush();
      lane.forget(Number.POSITIVE_INFINITY as EpochMs);
      this.#lanes.delete(key);
    }
  }

  /** The writer for streams of this sensitivity, window length and lateness. */
  lane(sensitivity: Sensitivity, windowMs: DurationMs, latenessMs: DurationMs): Lane {
    const key = `${sensitivity}/${windowMs}/${latenessMs}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane = new Lane(
      sensitivity,
      windowMs,
      FLUSH_RECORDS,
      (chunk) => this.#append(chunk),
      () => this.#recordAdded(),
    );
    this.#lanes.set(key, lane);
    // Those that were there before were told when it happened.
    if (this.#offsetMs !== null) lane.anchor(this.#offsetMs, this.#tickedMs, "first");
    if (sensitivity !== "environmental") this.#latenessMsMax = Math.max(this.#latenessMsMax, latenessMs);
    return lane;
  }

  /** Vouches for links, moves windows on and gives everything that waits to the live store. */
  tick(nowMs: MonotonicMs): void {
    this.#tickedMs = nowMs;
    let isDue = nowMs - this.#coveredAtMs >= COVER_EVERY_MS;
    for (const lane of this.#lanes.values()) {
      lane.advance(nowMs);
      // A window that ended since then is covered to its end before it is closed.
      if (lane.startMs > this.#coveredAtMs) isDue = true;
    }
    if (isDue) this.cover(nowMs);
    this.#isCovering = isDue;
    this.flush();
    this.#isCovering = false;
  }

  cover(nowMs: MonotonicMs): void {
    this.#coveredAtMs = nowMs;
    for (const intake of this.#intakes) intake.coverByLink(nowMs);
  }

  flush(): void {
    for (const lane of this.#lanes.values()) lane.flush();
    this.#pending = 0;
  }

  /** Time became trusted, or was stepped: lanes label what comes from now on with this offset. */
  anchor(offsetMs: number, nowMs: MonotonicMs, how: Anchoring): void {
    this.#offsetMs = how === "lose" ? null : offsetMs;
    this.#tickedMs = nowMs;
    for (const lane of this.#lanes.values()) lane.anchor(offsetMs, nowMs, how);
    this.#waiting.end();
    this.#isTrading = false;
  }

  /**
   * While time is not trusted: drops readings that waited longer than `maxWaitMs`, and the oldest beyond `chunksMax` chunks, and counts
   * those of this run. What the live store would not delete now goes with a later call.
   */
  shedWaiting(nowMs: MonotonicMs, maxWaitMs: number, chunksMax = WAITING_CHUNKS_MAX): void {
    this.#tryLive(() => {
      this.#waiting.shedLong(nowMs - maxWaitMs);
      this.#waiting.shedSurplus(chunksMax);
    });
  }

  /**
   * The clock came back from a time that was too far ahead: what was put into windows there will not be released, and is counted. Throws
   * when the live store fails; what was purged by then is counted, and the rest is for the next call.
   */
  dropAhead(): void {
    this.flush();
    const { live } = this.#world;
    const windows = live.held().filter(({ window }) => window !== null);
    const classes = new Map(windows.map((one) => [`${one.sensitivity}/${one.windowMs}`, one]));
    for (const { sensitivity, windowMs } of classes.values()) {
      const ofClass = windows.filter((one) => one.sensitivity === sensitivity && one.windowMs === windowMs);
      const chunks = ofClass.flatMap(({ window }) => [...live.read(windowMs, window as EpochMs)]);
      live.purge(sensitivity, windowMs, Number.MAX_SAFE_INTEGER as EpochMs);
      for (const chunk of chunks) {
        if (chunk.sensitivity === sensitivity && this.#waiting.isOfThisRun(chunk)) this.#countShed(chunk.data, "late");
        chunk.data.fill(0);
      }
    }
  }

  /** How readings that waited are labelled, with this offset between the clocks. */
  labelling(offsetMs: number): Labelling {
    return {
      offsetMs,
      isOpen: (stream, window) => this.#laneOfStream[stream]?.isOpen(window) ?? false,
      late: (chunk, stream, marks) => {
        if (this.#waiting.isOfThisRun(chunk)) this.#countDropped(stream, marks, "late");
      },
      lost: (chunk) => {
        if (this.#waiting.isOfThisRun(chunk)) this.#countShed(chunk.data, "store-full");
      },
    };
  }

  /** Deletes readings of people that are too old, whether their clock is trusted or not, and counts those of this run. */
  shedOld(nowMs: MonotonicMs): void {
    // What an earlier run left may still be closed in the first minute.
    if (this.#lookedForOldMs === Number.NEGATIVE_INFINITY) this.#lookedForOldMs = nowMs;
    if (nowMs - this.#lookedForOldMs < SHED_EVERY_MS) return;
    const before = (nowMs - PEOPLE_WAIT_MS_MAX - this.#latenessMsMax) as MonotonicMs;
    const old = this.#tryLive(() => this.#world.live.shedPeople(before, SHED_CHUNKS)) ?? [];
    for (const chunk of old) this.#expire(chunk);
    if (old.length > 0 && !this.#isExpiring) this.#world.events.emit({ type: "ReadingsExpired" });
    if (old.length === SHED_CHUNKS) return;
    this.#lookedForOldMs = nowMs;
    this.#isExpiring = old.length > 0;
  }

  /** Undefined: the live store failed, which is told; it is tried again later. */
  #tryLive<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof LiveStoreError)) throw error;
      this.#world.events.emit({ type: "CloseFailed", detail: error.message });
      return undefined;
    }
  }

  #expire(chunk: StoredChunk): void {
    const { window, windowMs, sensitivity, data } = chunk;
    if (this.#waiting.isOfThisRun(chunk)) {
      this.#countShed(data, window === null ? "clock-untrusted" : "expired");
      if (window === null) this.#waiting.left();
    }
    data.fill(0);
    if (window === null) return;
    // Nobody must look for what is not there any more.
    for (const lane of this.#lanes.values()) if (lane.sensitivity === sensitivity && lane.windowMs === windowMs) lane.forget(window);
  }

  #lineup(channels: readonly ChannelPlan[], streams: readonly StreamPlan[], counters: SensorCounters): readonly Channel[] {
    return channels.map((plan) => {
      const made = streams.filter((stream) => stream.channel.name === plan.name && isWatched(stream));
      return channelOf(
        plan,
        made.map((stream) => this.#slot(stream, counters)),
      );
    });
  }

  #slot(plan: StreamPlan, counters: SensorCounters): Slot {
    const index = this.#world.live.streamIndex(plan.id, meaningOf(plan));
    assert(index >= 0, "the live store numbers streams from 0");
    while (this.#countersOfStream.length <= index) this.#countersOfStream.push(counters);
    this.#countersOfStream[index] = counters;
    const lane = this.lane(plan.sensitivity, plan.windowMs, plan.latenessMs);
    this.#laneOfStream[index] = lane;
    return { plan, lane, index, counters, coveredToMs: 0, heardMs: 0, isHeard: false, held: -1 };
  }

  #recordAdded(): void {
    this.#pending++;
    if (this.#pending >= FLUSH_RECORDS) this.flush();
  }

  #append(chunk: LiveChunk): boolean {
    // Of people only what comes by the clock says how the store is: what is flushed in between was flushed because somebody passed.
    const isTelling = chunk.sensitivity === "environmental" || this.#isCovering;
    try {
      this.#store(chunk);
      if (isTelling) this.#tell(this.#isTrading ? "LIVE_FULL" : null);
      this.#waiting.appended(chunk);
      return true;
    } catch (error) {
      if (!(error instanceof LiveStoreError)) throw error;
      if (isTelling) this.#tell(error.code);
      this.#countShed(chunk.data, "store-full");
      return false;
    }
  }

  /** In a full store what waited longest for the clock makes room for what comes without a window. */
  #store(chunk: LiveChunk): void {
    const { live } = this.#world;
    try {
      return live.append(chunk);
    } catch (error) {
      if (chunk.window !== null || !(error instanceof LiveStoreError) || error.code !== "LIVE_FULL") throw error;
    }
    this.#waiting.shedOldest(SHED_BYTES);
    live.append(chunk);
    this.#isTrading = true;
  }

  #tell(trouble: LiveStoreError["code"] | null): void {
    if (trouble !== null && trouble !== this.#trouble)
      this.#world.events.emit({ type: trouble === "LIVE_FULL" ? "LiveStoreFull" : "LiveStoreFailed" });
    this.#trouble = trouble;
  }

  /** The readings of a chunk that is not kept are dropped, and moved to that column of the books. */
  #countShed(data: Uint8Array, reason: DropReason): void {
    const reader = new ChunkReader(data);
    for (let index = 0; index < reader.count; index++) this.#countDropped(reader.stream(index), reader.marks(index), reason);
  }

  #countDropped(stream: number, marks: number, reason: DropReason): void {
    const counters = this.#countersOfStream[stream];
    if (counters === undefined || (marks & MARK.sample) === 0) return;
    if ((marks & (MARK.warming | MARK.suspect)) !== 0) counters.setAside--;
    else counters.stored--;
    counters.drop(reason);
  }
}
