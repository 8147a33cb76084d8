import type { SensorPlan } from "../config/plan.ts";
import { SensorCounters } from "../core/events/counters.ts";
import { type Link, type LinkEvent, stepLink } from "../core/machine/link.ts";
import type { SensorId } from "../core/units/ids.ts";
import type { SerialSettings } from "../core/units/port.ts";
import { type MonotonicMs, monotonicMs } from "../core/units/time.ts";
import type { BusEvent, DiscardReason, Passage, ReadingDetail, RequestBody, Session, SessionSink } from "../driver-api/driver.ts";
import type { SensorState } from "../formats/documents.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import type { PortEvent, PortFault } from "../ports/field-port.ts";
import type { Ingest } from "./ingest.ts";
import type { Intake } from "./intake.ts";
import { NO_PORT, openPort, type PortWorld, type SensorPort } from "./sensor-port.ts";

export interface SensorWorld extends PortWorld {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly events: Events;
  readonly ingest: Ingest;
  /** Whether somebody works on the sensor now. */
  isInMaintenance?(sensor: SensorId): boolean;
  /** Told what the session is told; gives the sink that it answers to: `sink`, or one that passes everything on to it. */
  overhear?(plan: SensorPlan, event: BusEvent, sink: SessionSink): SessionSink;
  /** The operator said `onStartFailure: fail`, and it did. */
  onFatal(code: string): void;
}

// These do not pass by waiting: they are tried again slowly, in case somebody mends them.
const LASTING_FAULTS: readonly PortFault[] = ["permission", "settings", "unsupported"];

// An older kernel stamps edges with another clock: a stamp that is not of the last seconds is not used.
const STAMP_AGE_MS_MAX = 10_000;

/**
 * One sensor: its port, its driver's session and its timers. The link machine decides when the port is opened and given up; what
 * happens here stays here, whatever a driver does.
 */
export class Sensor implements SessionSink {
  readonly counters: SensorCounters;
  /** The device says that it has worked for longer than one of its sensing elements lives. */
  isWorn = false;
  #plan: SensorPlan;
  readonly #world: SensorWorld;
  #session: Session | null = null;
  readonly #intake: Intake;
  readonly #timers = new Map<string, Cancel>();
  #link: Link = { is: "closed" };
  #everOpen = false;
  #ignoredBefore = 0;
  #port: SensorPort = NO_PORT;
  /** Counts opened ports, so that an event of an older one is known. */
  #portNumber = 0;
  #settings: SerialSettings | null = null;
  #cancelRetry: Cancel | null = null;
  #openedAtMs = 0;
  /** Since when its hardware has had power, as far as anybody can tell: since the machine has, from where monotonic time counts. */
  #poweredMs = monotonicMs(0);
  /** Monotonic time at which what is being handled happened. */
  #nowMs = 0 as MonotonicMs;

  /** `counters`: those of the sensor that had this name before, so that the books of its readings go on. */
  constructor(world: SensorWorld, plan: SensorPlan, counters = new SensorCounters()) {
    this.#plan = plan;
    this.counters = counters;
    this.#world = world;
    this.#intake = world.ingest.addSensor(plan.channels, plan.streams, this.counters);
    if (plan.port.is === "serial") this.#settings = plan.port.settings;
  }

  get plan(): SensorPlan {
    return this.#plan;
  }

  get state(): SensorState {
    if (!this.plan.enabled) return "disabled";
    const { trouble } = this;
    if (this.#intake.isPaused) return "maintenance";
    return trouble === null ? "ok" : trouble === "silent" ? "silent" : "fault";
  }

  /** Why the sensor is not `ok`, as a code; null when it is. */
  get trouble(): string | null {
    const link = this.#link;
    if (link.is === "open") return link.alive ? null : "silent";
    return link.is === "waiting" || link.is === "given-up" || link.is === "opening" ? link.code : null;
  }

  start(): void {
    if (!this.plan.enabled) return;
    this.tick(this.#world.clock.monotonicMs());
    try {
      this.#session = this.plan.driver.start(this.plan.options);
    } catch (error) {
      return this.#stillborn(error);
    }
    this.#step({ type: "start" });
  }

  /** Called every flush: finds silence. `wasAway`: this process did not run for a while, and what came meanwhile is still to be read. */
  tick(nowMs: MonotonicMs, wasAway = false): void {
    this.#intake.pause(this.#world.isInMaintenance?.(this.plan.id) ?? false, nowMs);
    if (this.#link.is !== "open") return;
    this.#countIgnoredEdges();
    const { withinMs, lastLifeMs } = this.#intake;
    if (withinMs !== null && nowMs - lastLifeMs > withinMs) {
      if (wasAway) return;
      if (this.#link.alive) this.#world.events.emit({ type: "SensorSilent", sensor: this.plan.id });
      this.#step({ type: "silence" });
    } else if (!this.#link.alive && lastLifeMs > this.#openedAtMs) {
      this.#world.events.emit({ type: "SensorAlive", sensor: this.plan.id });
      this.#step({ type: "life" });
    }
  }

  stop(): void {
    this.#cancelRetry?.();
    this.#step({ type: "stop" });
  }

  /** Takes over a plan with the same driver, options and port: the port stays open, the session goes on. */
  rearrange(plan: SensorPlan): void {
    this.#plan = plan;
    this.#world.ingest.rearrangeSensor(this.#intake, plan.channels, plan.streams, this.#world.clock.monotonicMs());
  }

  /** Stops for good: another plan has no such sensor, or one that starts anew. */
  dismiss(): void {
    this.stop();
    this.#world.ingest.removeSensor(this.#intake);
  }

  /** A driver that cannot even begin: the others do not notice. */
  #stillborn(error: unknown): void {
    const code = "driver-threw";
    this.#driverThrew(error);
    this.#link = { is: "given-up", code };
    this.#world.events.emit({ type: "SensorGivenUp", sensor: this.plan.id, code });
    if (this.plan.onStartFailure === "fail") this.#world.onFatal(`${this.plan.id}: ${code}`);
  }

  /** What a driver says may quote what it read ("42 is not valid JSON"): of a sensor of people only the name of the error is told. */
  #driverThrew(error: unknown): void {
    const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
    const isOfPeople = this.plan.channels.some(({ sensitivity }) => sensitivity !== "environmental");
    this.#world.events.emit({ type: "DriverThrew", sensor: this.plan.id, detail: isOfPeople ? name : message });
  }

  #step(event: LinkEvent): void {
    const { onStartFailure, port } = this.plan;
    const isPlayed = port.is === "replay";
    const context = { onStartFailure, everOpen: this.#everOpen, isPlayed, jitter: this.#world.crypto.jitter() };
    const { link, effects } = stepLink(this.#link, event, context);
    const wasGivenUp = this.#link.is === "given-up";
    this.#link = link;
    if (link.is === "given-up" && !wasGivenUp) this.#world.events.emit({ type: "SensorGivenUp", sensor: this.plan.id, code: link.code });
    for (const effect of effects) {
      switch (effect.type) {
        case "open":
          this.#open();
          break;
        case "close":
          this.#close(effect.reason);
          break;
        case "retryIn":
          this.#cancelRetry?.();
          this.#cancelRetry = this.#world.clock.after(effect.delayMs, () => this.#step({ type: "retryDue" }));
          break;
        case "failNode":
          this.#world.onFatal(`${this.plan.id}: ${effect.code}`);
          break;
      }
    }
  }

  #open(): void {
    this.#portNumber++;
    const number = this.#portNumber;
    const listener = (event: PortEvent): void => {
      if (number === this.#portNumber) this.#hear(event);
    };
    this.#port = openPort(this.#world, this.plan, this.#settings, listener);
  }

  #close(reason: string): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#portNumber++;
    this.#port.field?.close();
    this.#ended(reason);
  }

  #countIgnoredEdges(): void {
    this.counters.ignoredEdges = this.#ignoredBefore + (this.#port.lines?.ignoredEdges() ?? 0);
  }

  /** Tells ingest and the session that the port is gone, and forgets timers: a session starts over at `opened`. */
  #ended(reason: string): void {
    this.#countIgnoredEdges();
    this.#ignoredBefore = this.counters.ignoredEdges;
    this.#port = NO_PORT;
    const atMs = this.#world.clock.monotonicMs();
    this.#intake.closed(atMs);
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#tell({ type: "closed", atMs, reason });
  }

  #hear(event: PortEvent): void {
    const atMs = this.#world.clock.monotonicMs();
    switch (event.type) {
      case "opened":
        return this.#opened(event.settings, atMs);
      case "bytes":
        this.counters.bytes += event.data.byteLength;
        return this.#tell({ type: "bytes", atMs, data: event.data });
      case "edge": {
        this.counters.edges++;
        const atNs = event.atNs ?? this.#world.clock.monotonicNs();
        const stampMs = Number(atNs) / 1e6;
        const isPlausible = stampMs <= atMs && atMs - stampMs < STAMP_AGE_MS_MAX;
        return this.#tell({ type: "edge", atMs, line: event.line, rising: event.rising, atNs }, isPlausible ? monotonicMs(stampMs) : atMs);
      }
      case "lost":
        this.counters.lostEdges += event.count ?? 1;
        return;
      case "reply":
        this.counters.bytes += event.byteCount;
        // An answer to its own question shows that the device lives, and nothing about people.
        this.#intake.lastLifeMs = atMs;
        return this.#tell({ type: "reply", atMs, tag: event.tag, data: event.data });
      case "noReply":
        // A refusal of the device is an answer, too; that of a file comes from the kernel.
        if (event.reason === "exception" && this.plan.port.is === "modbus") this.#intake.lastLifeMs = atMs;
        return this.#tell({ ...event, atMs });
      case "closed": {
        this.#ended(event.code);
        const { code, detail, remedy } = event;
        if (this.#link.is === "open" || !this.#isRepeated(code))
          this.#world.events.emit({ type: "SensorClosed", sensor: this.plan.id, code, detail, remedy });
        return this.#step(code === "ended" ? { type: "ended", code } : { type: "closed", code, lasting: LASTING_FAULTS.includes(code) });
      }
    }
  }

  /** The same trouble at every attempt is said once. */
  #isRepeated(code: string): boolean {
    return this.#link.is === "opening" && this.#link.code === code;
  }

  #opened(settings: Extract<BusEvent, { type: "opened" }>["settings"], atMs: MonotonicMs): void {
    this.#everOpen = true;
    this.counters.opened++;
    this.#openedAtMs = atMs;
    // Opened again after trouble, it may have been without power meanwhile.
    if (this.#link.is === "opening" && this.#link.code !== null) this.#poweredMs = atMs;
    this.#intake.opened(atMs, ["replay", "simulator"].includes(this.plan.port.is) ? null : this.#poweredMs);
    this.#world.events.emit({ type: "SensorOpened", sensor: this.plan.id });
    this.#step({ type: "opened" });
    this.#tell({ type: "opened", atMs, settings });
  }

  /** `happenedMs`: when it happened in the field, which is when what the session makes of it counts. */
  #tell(event: BusEvent, happenedMs: MonotonicMs = event.atMs): void {
    this.#nowMs = happenedMs;
    try {
      this.#session?.handle(event, this.#world.overhear?.(this.#plan, event, this) ?? this);
    } catch (error) {
      this.#driverThrew(error);
      if (event.type !== "closed") this.fault("driver-threw", "reopen");
    }
  }

  // What the session asks for.

  reading(channel: string, value: number | null, detail?: ReadingDetail): void {
    this.#intake.reading(channel, value, detail, this.#nowMs);
  }

  passage(channel: string, passage: Passage): void {
    this.#intake.passage(channel, passage, this.#nowMs);
  }

  total(channel: string, value: number, detail?: { readonly modulus?: number }): void {
    this.#intake.total(channel, value, detail?.modulus, this.#nowMs);
  }

  identity(channel: string, bytes: Uint8Array): void {
    this.#intake.identity(channel, bytes, this.#nowMs);
  }

  /** A port that cannot tell which bytes answer which question refuses, at once (ADR 0022). */
  request(tag: string, body: RequestBody, timeoutMs: number): void {
    const { field } = this.#port;
    if (field?.request !== undefined) return field.request(tag, body, timeoutMs);
    // What was recorded answers, in its own time.
    if (this.plan.port.is === "replay") return;
    const refuse = (): void => this.#tell({ type: "noReply", atMs: this.#world.clock.monotonicMs(), tag, reason: "exception" });
    this.#world.clock.after(0, refuse);
  }

  write(data: Uint8Array): void {
    this.#port.field?.write(data);
  }

  reopen(settings: SerialSettings): void {
    this.#settings = settings;
    this.#world.clock.after(0, () => this.#step({ type: "reopen" }));
  }

  signal(name: "break" | "dtr" | "rts", on: boolean): void {
    this.#port.field?.signal(name, on);
  }

  expect(withinMs: number | null): void {
    this.#intake.expect(withinMs);
  }

  /** The device spoke about itself: that is life, and says nothing about people. */
  about({ hours }: { readonly hours?: number }): void {
    this.#intake.lastLifeMs = this.#nowMs;
    if (hours === undefined) return;
    const { driver, options } = this.#plan;
    this.isWorn = driver.channels(options).some(({ lifeHours }) => lifeHours !== undefined && hours > lifeHours);
  }

  timer(name: string, afterMs: number | null): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
    if (afterMs === null) return;
    const cancel = this.#world.clock.after(afterMs, () => {
      this.#timers.delete(name);
      this.#tell({ type: "timer", atMs: this.#world.clock.monotonicMs(), name });
    });
    this.#timers.set(name, cancel);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.counters.discard(reason, byteCount);
  }

  fault(code: string, retry: "reopen" | "never"): void {
    this.#world.events.emit({ type: "SensorFault", sensor: this.plan.id, code });
    // After this event: a session that is in the middle of one must not be told that its port closed.
    this.#world.clock.after(0, () => this.#step({ type: "fault", code, retry }));
  }
}
