import type { DropReason, SensorCounters } from "../core/events/counters.ts";
import { cellIndex } from "../core/reading/direction.ts";
import { MARK } from "../core/reading/record.ts";
import type { MonotonicMs } from "../core/units/time.ts";
import type { Passage, ReadingDetail } from "../driver-api/driver.ts";
import type { Crypto } from "../ports/crypto.ts";
import { type Channel, coverTo, fresh, type Slot, UNTOLD, warmedUp } from "./intake-channel.ts";
import type { Lane } from "./lane.ts";

/**
 * Links are vouched for every second. When that was not done for so long, the process stood still: what happened meanwhile may be lost, and
 * nobody can say that the link was there. Longer than a busy machine makes it wait.
 */
export const STANDSTILL_MS = 5_000;

/**
 * The way of one sensor's readings into the live store: calibrate, check the range, say how long each stands for, count what is
 * dropped. Holds nothing of a window but what has not been flushed.
 */
export class Intake {
  readonly counters: SensorCounters;
  /** Life was shown by something other than readings of people. */
  lastLifeMs = 0;
  readonly #channels = new Map<string, Channel>();
  #speed: Channel | null = null;
  readonly #crypto: Crypto;
  #openedMs: number | null = null;
  #withinMs: number | null = null;
  /** When its link was last looked at. */
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Somebody works on the sensor: what it says is not about the street. */
  #isPaused = false;

  constructor(channels: readonly Channel[], counters: SensorCounters, crypto: Crypto) {
    this.#crypto = crypto;
    this.counters = counters;
    this.#take(channels);
  }

  /**
   * Takes another line-up while the port stays as it is. What was known of a stream's coverage is kept where it stays in its lane;
   * another stream is covered from now on.
   */
  rearrange(channels: readonly Channel[], nowMs: MonotonicMs): void {
    this.coverByLink(nowMs);
    for (const channel of channels) {
      const before = this.#channels.get(channel.plan.name);
      channel.lastTotal = before?.lastTotal ?? null;
      channel.warmUntilMs = before?.warmUntilMs ?? nowMs;
      channel.told = before?.told ?? UNTOLD;
      for (const slot of channel.slots) {
        const known = before?.slots.find(({ index, lane }) => index === slot.index && lane === slot.lane);
        const { coveredToMs, heardMs, isHeard, held } = known ?? fresh(Math.max(nowMs, channel.warmUntilMs), channel.told);
        Object.assign(slot, { coveredToMs, heardMs, isHeard, held });
      }
    }
    this.#channels.clear();
    this.#take(channels);
  }

  #take(channels: readonly Channel[]): void {
    for (const channel of channels) this.#channels.set(channel.plan.name, channel);
    this.#speed = channels.find((channel) => channel.plan.kind === "speed") ?? null;
  }

  /** The lanes of its streams. */
  get lanes(): readonly Lane[] {
    return [...this.#channels.values()].flatMap(({ slots }) => slots.map(({ lane }) => lane));
  }

  get withinMs(): number | null {
    return this.#withinMs;
  }

  /** `poweredMs`: since when the hardware has had power, and warms up; null: there is none, as behind a capture. */
  opened(atMs: MonotonicMs, poweredMs: MonotonicMs | null = atMs): void {
    this.#openedMs = atMs;
    this.lastLifeMs = atMs;
    this.#lookedMs = Math.max(this.#lookedMs, atMs);
    for (const channel of this.#channels.values()) {
      channel.warmUntilMs = poweredMs === null ? atMs : Math.max(atMs, poweredMs + channel.plan.warmUpMs);
      channel.told = UNTOLD;
      for (const slot of channel.slots) Object.assign(slot, fresh(channel.warmUntilMs));
    }
    this.#markWarming(atMs);
  }

  /** The link is gone: until it is back, nothing is covered. */
  closed(atMs: MonotonicMs): void {
    this.coverByLink(atMs);
    this.#openedMs = null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** While it is paused nothing is stored or covered; afterwards everything is as after an opening, but for the state that was told. */
  pause(isPaused: boolean, nowMs: MonotonicMs): void {
    if (isPaused === this.#isPaused) return;
    if (isPaused) this.coverByLink(nowMs);
    this.#isPaused = isPaused;
    for (const channel of this.#channels.values()) {
      for (const slot of channel.slots) Object.assign(slot, fresh(Math.max(nowMs, channel.warmUntilMs), channel.told));
    }
  }

  expect(withinMs: number | null): void {
    this.#withinMs = withinMs;
  }

  reading(name: string, value: number | null, detail: ReadingDetail | undefined, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    if (!channel.takesValues) return this.#drop(channel, "wrong-kind");
    if (channel.plan.showsLife) this.lastLifeMs = atMs;
    if (value === null) return this.#none(channel, atMs);
    if (!Number.isFinite(value)) return this.#drop(channel, "not-finite");
    const corrected = value * channel.scale + channel.offset;
    if (corrected < channel.min || corrected > channel.max) return this.#drop(channel, "out-of-range");
    if (channel.isState && !Number.isInteger(corrected)) return this.#drop(channel, "out-of-range");
    if (channel.isState && detail?.quality !== "suspect") channel.told = corrected;
    this.#store(channel, corrected, 0, detail, atMs);
  }

  /** The device has no value. A state that it does not know is not held any more. */
  #none(channel: Channel, atMs: MonotonicMs): void {
    channel.told = UNTOLD;
    if (channel.isState && !this.#isPaused) {
      for (const slot of channel.slots) {
        this.#coverTo(slot, atMs);
        slot.held = UNTOLD;
      }
    }
    this.#drop(channel, "null");
  }

  passage(name: string, passage: Passage, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    if (channel.plan.kind !== "passage") return this.#drop(channel, "wrong-kind");
    const cell = cellIndex(channel.plan.cells, passage.direction, passage.class);
    if (cell < 0) this.#drop(channel, "outside-cells");
    else this.#store(channel, 1, cell, undefined, atMs);
    if (passage.speedKmh !== undefined && this.#speed !== null) this.reading(this.#speed.plan.name, passage.speedKmh, undefined, atMs);
  }

  /** A running total becomes increments: the first one is a base, a fall is a roll-over (with `modulus`) or a reset. */
  total(name: string, value: number, modulus: number | undefined, atMs: MonotonicMs): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return this.#drop(null, "unknown-channel");
    if (channel.plan.kind !== "counter") return this.#drop(channel, "wrong-kind");
    if (channel.plan.showsLife) this.lastLifeMs = atMs;
    if (!Number.isFinite(value)) return this.#drop(channel, "not-finite");
    const last = channel.lastTotal;
    channel.lastTotal = value;
    if (last === null) return;
    const wrapped = value < last && modulus !== undefined ? value + modulus - last : value - last;
    // A roll-over by more than half of the range is more likely a device that began again.
    if (wrapped < 0 || (modulus !== undefined && value < last && wrapped > modulus / 2)) return this.#drop(channel, "reset");
    this.reading(name, wrapped, undefined, atMs);
  }

  /**
   * An identifier is hashed under the secret of its window and zeroed: what is stored says whether two were the same within a window,
   * and nothing beyond. Of the hash 48 bits are kept: among 10,000 devices two share one by chance once in 5 million windows.
   */
  identity(name: string, bytes: Uint8Array, atMs: MonotonicMs): void {
    try {
      const channel = this.#channels.get(name);
      if (channel === undefined) return this.#drop(null, "unknown-channel");
      if (channel.plan.kind !== "identity") return this.#drop(channel, "wrong-kind");
      if (channel.slots.length === 0) return this.#drop(channel, "not-published");
      if (this.#isPaused) return this.#drop(channel, "maintenance");
      for (const slot of channel.slots) this.#storeIdentity(slot, bytes, atMs);
    } finally {
      bytes.fill(0);
    }
  }

  #storeIdentity({ lane, index, counters }: Slot, bytes: Uint8Array, atMs: MonotonicMs): void {
    counters.emitted++;
    const value = this.#hashed(lane, bytes, atMs);
    if (typeof value === "string") return counters.drop(value);
    const problem = lane.put(index, atMs, value, 0, 0, MARK.sample);
    if (problem !== null) counters.drop(problem);
    else counters.stored++;
  }

  /** 48 bits of the keyed hash as a number, or why there is none. */
  #hashed(lane: Lane, bytes: Uint8Array, atMs: MonotonicMs): number | DropReason {
    let secret: Uint8Array | null;
    try {
      secret = lane.secretAt(atMs, () => freshSecret(this.#crypto));
    } catch {
      return "no-secret";
    }
    if (secret === null) return lane.window === null ? "clock-untrusted" : "late";
    const hash = this.#crypto.keyedHash(secret, bytes);
    const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
    const value = view.getUint32(0) * 2 ** 16 + view.getUint16(4);
    hash.fill(0);
    return value;
  }

  /** Vouches for the time since the last call, for every stream whose own readings do not. */
  coverByLink(nowMs: MonotonicMs): void {
    this.#vouch(nowMs);
    this.#lookedMs = nowMs;
  }

  #vouch(nowMs: MonotonicMs): void {
    if (this.#openedMs === null || this.#isPaused) return;
    this.#markWarming(nowMs);
    const isAlive = this.#withinMs === null || nowMs - this.lastLifeMs <= this.#withinMs;
    for (const channel of this.#channels.values()) {
      const isSampled = this.#isSampled(channel);
      for (const slot of channel.slots) {
        if (!isSampled) this.#coverTo(slot, nowMs, isAlive);
        else if (isAlive) this.#coverTail(slot, nowMs);
      }
    }
  }

  /** Of a time in which the sensor showed no life, or the process stood still, nothing is covered, whatever comes after it. */
  #coverTo(slot: Slot, nowMs: number, isAlive = true): void {
    if (isAlive && nowMs - this.#lookedMs <= STANDSTILL_MS) coverTo(slot, nowMs);
    else slot.coveredToMs = Math.max(slot.coveredToMs, nowMs);
  }

  /** Windows in which the hardware warmed up say so by the clock, whatever it said or whoever passed. */
  #markWarming(nowMs: MonotonicMs): void {
    if (this.#isPaused) return;
    for (const { warmUntilMs, slots } of this.#channels.values()) {
      if (nowMs >= warmUntilMs) continue;
      for (const { lane, index } of slots) lane.put(index, nowMs, 0, 0, 0, MARK.warming);
    }
  }

  /**
   * A window that ended while the sensor kept its rhythm is covered to its end: the next value may come when it is closed. After a jump
   * back of the clock the next window has not begun: what is to come is not covered yet.
   */
  #coverTail(slot: Slot, nowMs: number): void {
    const { startMs } = slot.lane;
    const keepsRhythm = slot.isHeard && nowMs - slot.heardMs <= (this.#withinMs as number);
    if (keepsRhythm && startMs <= nowMs && slot.coveredToMs < startMs) coverTo(slot, startMs);
  }

  #isSampled(channel: Channel): boolean {
    return channel.isSampled && this.#withinMs !== null;
  }

  #store(channel: Channel, value: number, cell: number, detail: ReadingDetail | undefined, atMs: MonotonicMs): void {
    const { slots } = channel;
    if (slots.length === 0) return this.#drop(channel, "not-published");
    if (this.#isPaused) return this.#drop(channel, "maintenance");
    if (atMs < channel.warmUntilMs && detail?.quality === "ok") warmedUp(channel, atMs);
    const quality = detail?.quality ?? (atMs < channel.warmUntilMs ? "warming" : "ok");
    const deviceMs = detail?.coversMs;
    let marks: number = MARK.sample;
    if (quality === "warming") marks |= MARK.warming;
    else if (quality === "suspect") marks |= MARK.suspect;
    if (deviceMs !== undefined) marks |= MARK.deviceInterval;
    const isSetAside = quality !== "ok";
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as Slot;
      let coversMs = 0;
      if (isSetAside) this.#setAside(channel, slot, atMs, value);
      else coversMs = this.#isSampled(channel) ? this.#standsFor(slot, atMs, deviceMs) : this.#beforeChange(slot, atMs, value);
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
    const pausedMs = atMs - slot.heardMs;
    slot.coveredToMs = atMs;
    slot.heardMs = atMs;
    slot.isHeard = true;
    if (deviceMs !== undefined) return Math.min(deviceMs, sinceMs);
    return pausedMs <= (this.#withinMs as number) ? sinceMs : 0;
  }

  /** A value that is set aside shows the rhythm, and the time before it is not covered by the next one. */
  #setAside(channel: Channel, slot: Slot, atMs: number, value: number): void {
    // A device does not repeat a state that stays: the one that it told while it was cold is held once it is warm.
    if (channel.isState && atMs < channel.warmUntilMs) slot.held = value;
    if (!this.#isSampled(channel)) return;
    slot.coveredToMs = Math.max(slot.coveredToMs, atMs);
    slot.heardMs = Math.max(slot.heardMs, atMs);
  }

  /** A state was held until it changed: that time belongs to the old one. */
  #beforeChange(slot: Slot, atMs: number, value: number): number {
    if (slot.plan.channel.kind !== "state") return 0;
    if (slot.held >= 0) this.#coverTo(slot, atMs);
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

const SECRET_BYTES = 32;

/** Throws when there is no randomness. */
function freshSecret(crypto: Crypto): Uint8Array {
  const secret = new Uint8Array(SECRET_BYTES);
  crypto.fillRandom(secret);
  return secret;
}
