import { assert } from "../core/assert.ts";
import type { DropReason, SensorCounters } from "../core/events/counters.ts";
import { cellIndex } from "../core/reading/direction.ts";
import type { Sensitivity } from "../core/reading/quantity.ts";
import { ChunkReader, MARK } from "../core/reading/record.ts";
import type { ChannelPlan, StreamPlan } from "../core/reading/stream.ts";
import type { DurationMs, MonotonicMs } from "../core/units/time.ts";
import type { Passage, ReadingDetail } from "../driver-api/driver.ts";
import type { Events } from "../ports/events.ts";
import { type LiveChunk, type LiveStore, LiveStoreError } from "../ports/live-store.ts";
import { type Anchoring, Lane } from "./lane.ts";

/** Readings that wait in memory are given to the live store at the latest after this many, or at the next tick. */
export const FLUSH_RECORDS = 1_000;
/** How often the runtime ticks: the longest a reading waits before it is in the live store. */
export const FLUSH_EVERY_MS = 250;
/** A sensor that is not heard on a rhythm is vouched for by its link this often. */
const COVER_EVERY_MS = 1_000;

/** One stream at ingest. */
interface Slot {
  readonly plan: StreamPlan;
  readonly lane: Lane;
  readonly index: number;
  readonly counters: SensorCounters;
  /** Up to when coverage is known; what is before it is never covered twice. */
  coveredToMs: number;
  /** For kind `state`: which state is held, or -1 when nobody knows. */
  held: number;
}

interface Channel {
  readonly plan: ChannelPlan;
  readonly slots: readonly Slot[];
  /** Its own readings carry the coverage: a value stands for the time since the one before, as long as the rhythm is kept. */
  readonly isSampled: boolean;
  lastTotal: number | null;
}

/**
 * The way of one sensor's readings into the live store: calibrate, check the range, say how long each stands for, count what is
 * dropped. Holds nothing of a window but what has not been flushed.
 */
export class Intake {
  readonly counters: SensorCounters;
  /** Life was shown by something other than readings of people. */
  lastLifeMs = 0;
  readonly #channels = new Map<string, Channel>();
  readonly #speed: Channel | null;
  #openedMs: number | null = null;
  #withinMs: number | null = null;

  constructor(channels: readonly Channel[], counters: SensorCounters) {
    this.counters = counters;
    for (const channel of channels) this.#channels.set(channel.plan.name, channel);
    this.#speed = channels.find((channel) => channel.plan.kind === "speed") ?? null;
  }

  get withinMs(): number | null {
    return this.#withinMs;
  }

  opened(atMs: MonotonicMs): void {
    this.#openedMs = atMs;
    this.lastLifeMs = atMs;
    for (const channel of this.#channels.values()) {
      for (const slot of channel.slots) {
        slot.coveredToMs = atMs;
        slot.held = -1;
      }
    }
  }

  /** The link is gone: until it is back, nothing is covered. */
  closed(atMs: MonotonicMs): void {
    this.coverByLink(atMs);
    this.#openedMs = null;
  }

  expect(withinMs: number | null): void {
    this.#withinMs = withinMs;
  }

  reading(name: string, value: number | null, detail: ReadingDetail | undefined, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    if (channel.plan.sensitivity === "environmental") this.lastLifeMs = atMs;
    if (value === null) return this.#drop(channel, "null");
    if (!Number.isFinite(value)) return this.#drop(channel, "not-finite");
    const { range, calibration } = channel.plan;
    const corrected = calibration === null ? value : value * calibration.scale + calibration.offset;
    if (corrected < range[0] || corrected > range[1]) return this.#drop(channel, "out-of-range");
    this.#store(channel, corrected, 0, detail, atMs);
  }

  passage(name: string, passage: Passage, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    const cell = cellIndex(channel.plan.cells, passage.direction, passage.class);
    if (cell < 0) this.#drop(channel, "outside-cells");
    else this.#store(channel, 1, cell, undefined, atMs);
    if (passage.speedKmh !== undefined && this.#speed !== null) this.reading(this.#speed.plan.name, passage.speedKmh, undefined, atMs);
  }

  /** A running total becomes increments: the first one is a base, a fall is a roll-over (with `modulus`) or a reset. */
  total(name: string, value: number, modulus: number | undefined, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    if (channel.plan.sensitivity === "environmental") this.lastLifeMs = atMs;
    if (!Number.isFinite(value)) return this.#drop(channel, "not-finite");
    const last = channel.lastTotal;
    channel.lastTotal = value;
    if (last === null) return;
    const wrapped = value < last && modulus !== undefined ? value + modulus - last : value - last;
    // A roll-over by more than half of the range is more likely a device that began again.
    if (wrapped < 0 || (modulus !== undefined && value < last && wrapped > modulus / 2)) return this.#drop(channel, "reset");
    this.reading(name, wrapped, undefined, atMs);
  }

  /** Identifiers are published as a noised distinct count or not at all; until that is built they are zeroed and forgotten. */
  identity(name: string, bytes: Uint8Array): void {
    bytes.fill(0);
    const channel = this.#channels.get(name);
    this.#drop(channel ?? null, channel === undefined ? "unknown-channel" : "not-published");
  }

  /** Vouches for the time since the last call, for every stream whose own readings do not. */
  coverByLink(nowMs: MonotonicMs): void {
    if (this.#openedMs === null) return;
    if (this.#withinMs !== null && nowMs - this.lastLifeMs > this.#withinMs) return;
    for (const channel of this.#channels.values()) {
      if (this.#isSampled(channel)) continue;
      for (const slot of channel.slots) coverTo(slot, nowMs);
    }
  }

  #isSampled(channel: Channel): boolean {
    return channel.isSampled && this.#withinMs !== null;
  }

  #store(channel: Channel, value: number, cell: number, detail: ReadingDetail | undefined, atMs: MonotonicMs): void {
    const { slots } = channel;
    if (slots.length === 0) return this.#drop(channel, "not-published");
    const quality = detail?.quality;
    const deviceMs = detail?.coversMs;
    let marks: number = MARK.sample;
    if (quality === "warming") marks |= MARK.warming;
    else if (quality === "suspect") marks |= MARK.suspect;
    if (deviceMs !== undefined) marks |= MARK.deviceInterval;
    const isSetAside = quality !== undefined && quality !== "ok";
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as Slot;
      let coversMs = 0;
      if (!isSetAside) coversMs = this.#isSampled(channel) ? this.#standsFor(slot, atMs, deviceMs) : this.#beforeChange(slot, atMs, value);
      this.counters.emitted++;
      const problem = slot.lane.put(slot.index, atMs, value, coversMs, cell, marks);
      if (problem !== null) this.counters.drop(problem);
      else if (isSetAside) this.counters.setAside++;
      else this.counters.stored++;
    }
  }

  #standsFor(slot: Slot, atMs: number, deviceMs: number | undefined): number {
    const sinceMs = atMs - slot.coveredToMs;
    if (sinceMs <= 0) return 0; // stamped before one that was told earlier
    slot.coveredToMs = atMs;
    if (deviceMs !== undefined) return Math.min(deviceMs, sinceMs);
    return sinceMs <= (this.#withinMs as number) ? sinceMs : 0;
  }

  /** A state was held until it changed: that time belongs to the old one. */
  #beforeChange(slot: Slot, atMs: number, value: number): number {
    if (slot.plan.channel.kind !== "state") return 0;
    if (slot.held >= 0) coverTo(slot, atMs);
    slot.coveredToMs = atMs;
    slot.held = value;
    return 0;
  }

  #drop(channel: Channel | null, reason: DropReason): void {
    const count = Math.max(1, channel?.slots.length ?? 1);
    this.counters.emitted += count;
    this.counters.drop(reason, count);
  }
}

function coverTo(slot: Slot, nowMs: number): void {
  const coversMs = nowMs - slot.coveredToMs;
  const isState = slot.plan.channel.kind === "state";
  if (coversMs <= 0 || (isState && slot.held < 0)) return;
  slot.coveredToMs = nowMs;
  slot.lane.put(slot.index, nowMs as MonotonicMs, isState ? slot.held : 0, coversMs, 0, 0);
}

/** What ingest stands on. */
export interface IngestWorld {
  readonly live: LiveStore;
  readonly events: Events;
}

/** All intakes of a node, and the flush of what they collect. */
export class Ingest {
  readonly #world: IngestWorld;
  readonly #lanes = new Map<string, Lane>();
  readonly #intakes: Intake[] = [];
  readonly #countersOfStream: SensorCounters[] = [];
  #pending = 0;
  #coveredAtMs = Number.NEGATIVE_INFINITY;
  #isFull = false;
  /** Chunks of this run that wait for the clock, and the time of the first. */
  #waitingChunks = 0;
  #waitingFromMs = 0;

  constructor(world: IngestWorld) {
    this.#world = world;
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The live store took nothing the last time. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** One more than the highest stream index in use. */
  get streams(): number {
    return this.#countersOfStream.length;
  }

  /** `channels`: everything the driver can emit; `streams`: what the operator made of it. */
  addSensor(channels: readonly ChannelPlan[], streams: readonly StreamPlan[], counters: SensorCounters): Intake {
    const lineup = channels.map((plan): Channel => {
      const slots = streams
        .filter((stream) => stream.channel.name === plan.name && stream.policy.is !== "withheld")
        .map((stream) => this.#slot(stream, counters));
      const isSampled =
        plan.sensitivity === "environmental" && (plan.kind === "gauge" || plan.kind === "level" || plan.kind === "direction");
      return { plan, slots, isSampled, lastTotal: null };
    });
    const intake = new Intake(lineup, counters);
    this.#intakes.push(intake);
    return intake;
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
    return lane;
  }

  /** Vouches for links, moves windows on and gives everything that waits to the live store. */
  tick(nowMs: MonotonicMs): void {
    if (nowMs - this.#coveredAtMs >= COVER_EVERY_MS) this.cover(nowMs);
    for (const lane of this.#lanes.values()) lane.advance(nowMs);
    this.flush();
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
    for (const lane of this.#lanes.values()) lane.anchor(offsetMs, nowMs, how);
    this.#waitingChunks = 0;
  }

  /** While time is not trusted: drops the oldest readings beyond `chunksMax` chunks, and counts those of this run. */
  shedWaiting(chunksMax: number): void {
    let surplus = this.#waitingChunks - chunksMax;
    if (surplus <= 0) return;
    for (const { fromMs, data } of this.#world.live.unlabelled()) {
      if (fromMs < this.#waitingFromMs) continue; // of an earlier run
      if (surplus-- === 0) break;
      this.#countShed(data, "clock-untrusted");
    }
    this.#world.live.shedUnlabelled(chunksMax);
    this.#waitingChunks = chunksMax;
  }

  #slot(plan: StreamPlan, counters: SensorCounters): Slot {
    const index = this.#world.live.streamIndex(plan.id);
    assert(index >= 0, "the live store numbers streams from 0");
    while (this.#countersOfStream.length <= index) this.#countersOfStream.push(counters);
    this.#countersOfStream[index] = counters;
    return { plan, lane: this.lane(plan.sensitivity, plan.windowMs, plan.latenessMs), index, counters, coveredToMs: 0, held: -1 };
  }

  #recordAdded(): void {
    this.#pending++;
    if (this.#pending >= FLUSH_RECORDS) this.flush();
  }

  #append(chunk: LiveChunk): boolean {
    try {
      this.#world.live.append(chunk);
      this.#isFull = false;
      if (chunk.window === null && this.#waitingChunks++ === 0) this.#waitingFromMs = chunk.fromMs;
      return true;
    } catch (error) {
      if (!(error instanceof LiveStoreError)) throw error;
      if (!this.#isFull) this.#world.events.emit({ type: "LiveStoreFull" });
      this.#isFull = true;
      this.#countShed(chunk.data, "store-full");
      return false;
    }
  }

  /** The readings of a chunk that is not kept are dropped, and moved to that column of the books. */
  #countShed(data: Uint8Array, reason: DropReason): void {
    const reader = new ChunkReader(data);
    for (let index = 0; index < reader.count; index++) {
      const marks = reader.marks(index);
      const counters = this.#countersOfStream[reader.stream(index)];
      if (counters === undefined || (marks & MARK.sample) === 0) continue;
      if ((marks & (MARK.warming | MARK.suspect)) !== 0) counters.setAside--;
      else counters.stored--;
      counters.drop(reason);
    }
  }
}
