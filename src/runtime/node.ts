import type { NodePlan } from "../config/plan.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { NodeId, SensorId } from "../core/units/ids.ts";
import { type EpochMs, HOUR_MS } from "../core/units/time.ts";
import type { Broker } from "../ports/broker.ts";
import { OutboxError } from "../ports/outbox.ts";
import { FLUSH_EVERY_MS } from "./ingest.ts";
import { unexplained } from "./meta-book.ts";
import { NodeParts } from "./node-parts.ts";
import { streamsOf } from "./node-streams.ts";
import { Patience } from "./patience.ts";
import { Reloading, type ReloadOutcome, type ReloadRequest } from "./reload.ts";
import { type Remembered, remember } from "./remembered.ts";
import type { Parting } from "./retirement.ts";
import type { LocalStatus } from "./status.ts";
import type { TimeDesk } from "./time-desk.ts";
import { Timers } from "./timers.ts";
import { Turns } from "./turns.ts";
import type { Tap, WatchAnswer, WatchGrant, WatchOrder } from "./watches.ts";
import type { NodeOptions, StopReport, World } from "./world.ts";

export type { NodeOptions, StopReport, World } from "./world.ts";

const SLOW_TICK_MS = 1_000;
/**
 * What could not be closed is read and computed anew at each attempt, and a card that is full or failing stays so for a while. The longest
 * is short against the watchdog (systemd/stoep.service, WatchdogSec=60): a window that closes at last keeps the process.
 */
const CLOSE_AGAIN = { firstMs: SLOW_TICK_MS, longestMs: 8_000 };
/** The first readings need not wait for what a connection takes to set up: MQTT.js alone takes longer to load than a port to open. */
const CONNECT_AFTER_MS = 25;
/** Nothing is old enough to be let go in the first second. */
const SCHEDULE_AFTER_MS = 1_000;
/** How long a clean stop waits for PUBACKs. */
export const STOP_MS_MAX = 5_000;

/** A running node. */
export class Node {
  readonly #parts: NodeParts;
  readonly #reloading: Reloading;
  readonly #timers: Timers;
  readonly #turns = new Turns();
  readonly #retirements = new Turns();
  readonly #closeAgain: Patience;
  readonly #startedMs: number;
  /** The names of metas that are queued; those of another plan are not. */
  #queuedMetas: NodeParts["metas"] | null = null;
  #metasAgainMs = Number.POSITIVE_INFINITY;
  #stopping: Promise<StopReport> | null = null;

  /** Sets everything up and starts it. Resolves when sensors are being opened; the broker is connected to right after. */
  static async start(plan: NodePlan, world: World, options: NodeOptions): Promise<Node> {
    const node = new Node(plan, world, options, await remember(world.outbox));
    try {
      await node.#start();
    } catch (error) {
      node.#abandon();
      throw error;
    }
    return node;
  }

  private constructor(plan: NodePlan, world: World, options: NodeOptions, found: Remembered) {
    this.#timers = new Timers(world.clock);
    this.#closeAgain = new Patience(world, CLOSE_AGAIN);
    this.#startedMs = world.clock.monotonicMs();
    this.#parts = new NodeParts(plan, world, options, found, {
      fatal: (code) => this.#reloading.isBlamed(code) || options.onFatal?.(code),
    });
    this.#reloading = new Reloading({
      parts: this.#parts,
      turns: this.#turns,
      settle: async () => {
        if (await this.#queueMetas()) await this.#parts.closer.run();
      },
      probeGpio: (before, after) => this.#probeGpio(after, before),
      isStopping: () => this.#stopping !== null,
    });
  }

  /** For `stoep status`. */
  status(): LocalStatus {
    const { world, status } = this.#parts;
    const uptimeSeconds = Math.floor((world.clock.monotonicMs() - this.#startedMs) / 1_000);
    return status.local({ bytes: world.live.bytes() }, world.residentBytes(), uptimeSeconds);
  }

  /** For `stoep outbox replay`: see `Publisher.replay`. */
  replay(fromSeq: number): Promise<number | null> {
    return this.#parts.publisher.replay(fromSeq);
  }

  /** Where the plan that runs wants metrics to be served; null: nowhere. */
  get metricsPort(): number | null {
    return this.#parts.plan.metricsPort;
  }

  get id(): NodeId {
    return this.#parts.plan.node.id;
  }

  /** For `stoep time`. */
  get time(): TimeDesk {
    return this.#parts.time;
  }

  /** Topic filter that everything of this node matches. */
  get topics(): string {
    return this.#parts.format.everything;
  }

  /** The broker of now, behind the check of where it stands: nothing of this node reaches it by another way. */
  get broker(): Broker {
    return this.#parts.safety.broker;
  }

  /** What `retireNode` needs to take this node away from its broker. */
  get parting(): Parting {
    const { publisher, format, metas, time, problems } = this.#parts;
    return { publisher, format, metas, time, problems, turns: this.#retirements, goodbye: () => this.#parts.goodbye() };
  }

  /** Takes over another plan while the node runs, or goes on as before. One at a time. */
  reload(request: ReloadRequest): Promise<ReloadOutcome> {
    return this.#reloading.reload(request);
  }

  /** Another file is on the disk than the one that runs; null: it is the same. For the status. */
  reject(rev: string | null): void {
    this.#parts.identity = { ...this.#parts.identity, rejectedRev: rev };
  }

  /** Whether something is wrong with the node that others look after. For the status. */
  mark(code: NodeProblem, isWrong: boolean): void {
    if (isWrong) this.#parts.problems.add(code);
    else this.#parts.problems.delete(code);
  }

  /** Somebody works on a sensor from now on, for so long; null: not any more. Gives null where there is no such sensor. */
  maintain(sensor: SensorId, forMs: number | null): Promise<{ readonly until: EpochMs | null } | null> {
    const { crew, maintenance, world } = this.#parts;
    return this.#turns.take(async () => {
      if (!crew.sensors.some(({ plan }) => plan.id === sensor)) return null;
      const until = forMs === null ? null : await maintenance.begin(sensor, forMs);
      if (forMs === null) await maintenance.end(sensor);
      crew.tick(world.clock.monotonicMs());
      return { until };
    });
  }

  /** For `stoep watch` and `stoep capture`: see `Watches.begin`. */
  watch(order: WatchOrder, open: (grant: WatchGrant) => Tap): Promise<WatchAnswer> {
    return this.#turns.take(() => this.#parts.watches.begin(order, open));
  }

  /** Flushes, closes what is due, publishes what it can within a few seconds, says `offline`, closes the stores. Once. */
  stop(reason: string): Promise<StopReport> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: string): Promise<StopReport> {
    const { ingest, crew, housekeeping, closer, world } = this.#parts;
    const { clock, events, live, outbox } = world;
    events.emit({ type: "NodeStopping", reason });
    this.#timers.stop();
    this.#parts.watches.stop();
    ingest.cover(clock.monotonicMs());
    crew.stop();
    ingest.tick(clock.monotonicMs());
    await this.#turns.over();
    await housekeeping.stop();
    this.#reloading.abandon();
    await closer.run();
    // The one of now: a reload may have gone to another broker meanwhile.
    await this.#parts.publisher.stop(() => this.#parts.goodbye(), STOP_MS_MAX);
    const pending = outbox.standing().pendingRows;
    const open = new Map(
      live.held().flatMap(({ window, windowMs }) => (window === null ? [] : [[`${windowMs}/${window}`, { start: window, windowMs }]])),
    );
    const openWindows = [...open.values()];
    this.#parts.world.gpio.close();
    live.close();
    await outbox.close();
    events.emit({ type: "NodeStopped", pendingSummaries: pending });
    return { pending, openWindows };
  }

  /** It could not be started: nothing of it goes on. The stores are left to whoever opened them. */
  #abandon(): void {
    this.#timers.stop();
    this.#parts.crew.stop();
    this.#parts.world.gpio.close();
  }

  async #start(): Promise<void> {
    const { options, world, plan, problems, time, crew, publisher, housekeeping } = this.#parts;
    const { events, outbox } = world;
    events.emit({ type: "NodeStarting", version: options.identity.version, instance: outbox.instance, run: outbox.run });
    if (outbox.quarantined !== null) {
      problems.add("OUTBOX_QUARANTINED");
      events.emit({ type: "OutboxQuarantined", path: outbox.quarantined });
    }
    await this.#parts.maintenance.load();
    await this.#probeGpio(plan, null);
    time.tick();
    await this.#queueMetas();
    crew.start();
    this.#timers.later("connect", Math.max(CONNECT_AFTER_MS, options.connectAfterMs ?? 0), () => publisher.start());
    this.#timers.later("housekeeping", SCHEDULE_AFTER_MS, () => housekeeping.start());
    this.#timers.every("fast", FLUSH_EVERY_MS, () => this.#fastTick());
    // It waits for itself: a card that stalls delays it, and starves the watchdog when it does so for a minute.
    this.#timers.everyAfter("slow", SLOW_TICK_MS, () => this.#turns.take(() => this.#slowTick()));
    events.emit({ type: "NodeReady", sensors: crew.sensors.length, streams: streamsOf(plan).length });
  }

  /** Finds out how GPIO lines are worked here, where a plan has some and the one before had none. */
  async #probeGpio(after: NodePlan, before: NodePlan | null): Promise<void> {
    const usesGpio = ({ sensors }: NodePlan): boolean => sensors.some(({ port, enabled }) => enabled && port.is === "gpio");
    if (!usesGpio(after) || (before !== null && usesGpio(before))) return;
    const { gpio, events } = this.#parts.world;
    const { backend, detail, limits, remedy } = await gpio.probe();
    events.emit({ type: "GpioBackend", backend, detail });
    if (remedy !== "") events.emit({ type: "GpioLimited", backend, limits: limits.join("; "), remedy });
  }

  #fastTick(): void {
    const { world, crew, ingest } = this.#parts;
    const nowMs = world.clock.monotonicMs();
    crew.tick(nowMs);
    ingest.tick(nowMs);
    this.#parts.watches.tick();
  }

  async #slowTick(): Promise<void> {
    const { time, anchors, ingest, closer, world, teller, publisher, housekeeping, plan, options } = this.#parts;
    time.tick();
    await this.#parts.maintenance.settle();
    if (time.now() === null) ingest.shedWaiting(world.clock.monotonicMs(), plan.time.maxWaitMs);
    const isClosed = (await anchors.labelWaiting()) && (await this.#closeDue());
    ingest.shedOld(world.clock.monotonicMs());
    publisher.wake();
    const isPublisherWell = (await publisher.tick()) || (await closer.recover());
    const now = time.now();
    const failed = isClosed ? null : (anchors.problem ?? closer.problem ?? "OUTBOX_FAILED");
    this.mark("OUTBOX_FAILED", failed === "OUTBOX_FAILED" || !isPublisherWell);
    this.mark("DISK_FULL", world.outbox.standing().isShort);
    this.mark("LIVE_FULL", ingest.isFull || failed === "LIVE_FULL");
    this.mark("LIVE_FAILED", ingest.isFailing || failed === "LIVE_FAILED");
    for (const [code, isWrong] of closer.privacy.problems(now)) this.mark(code, isWrong);
    for (const [code, isWrong] of this.#parts.safety.tick()) this.mark(code, isWrong);
    const doubt = time.doubt();
    this.mark("CLOCK_WENT_BACK", now === null ? doubt === "below-last-trusted" : closer.isAhead(now));
    this.mark("CLOCK_LEAPT", time.hasLeapt());
    this.mark("TIME_SOURCES_DISAGREE", doubt === "sources-disagree");
    if (teller.tellLost()) this.#queuedMetas = null;
    await this.#forgetRefusedMetas();
    this.mark("SUMMARIES_LOST", teller.hasLost());
    teller.tell();
    if (world.outbox.standing().queueBytes > plan.storage.outbox.maxBytes) await housekeeping.trim();
    if (isClosed) options.heartbeat?.();
  }

  /** While a plan is on trial windows wait: they are closed by the one that stays. */
  async #closeDue(): Promise<boolean> {
    if (this.#reloading.isOnTrial) return true;
    return this.#closeAgain.try(async () => (await this.#queueMetas()) && (await this.#parts.closer.run()));
  }

  /** What the broker refused of what explains summaries is forgotten, and offered again in an hour: somebody may mend it. */
  async #forgetRefusedMetas(): Promise<void> {
    const { publisher, world, time } = this.#parts;
    const nowMs = world.clock.monotonicMs();
    const refused = new Set(publisher.refusedMetas);
    if (refused.size > 0) {
      const madeAt = time.best();
      try {
        await publisher.commit({ rows: [], marks: new Map(), facts: unexplained(refused), madeAt });
      } catch (error) {
        if (!(error instanceof OutboxError)) throw error;
        return world.events.emit({ type: "OutboxFailed", code: "meta", detail: error.message });
      }
      for (const topic of refused) publisher.refusedMetas.delete(topic);
      this.#metasAgainMs = Math.min(this.#metasAgainMs, nowMs + HOUR_MS);
    }
    if (nowMs < this.#metasAgainMs) return;
    this.#metasAgainMs = Number.POSITIVE_INFINITY;
    this.#queuedMetas = null;
  }

  /** Metas go through the outbox before any summary that uses them; false when that failed and is to be tried again. */
  async #queueMetas(): Promise<boolean> {
    const { metas, time, closer, world } = this.#parts;
    if (this.#queuedMetas === metas) return true;
    try {
      await metas.queue(world.outbox, time.best());
      this.#queuedMetas = metas;
      return true;
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      world.events.emit({ type: "OutboxFailed", code: "meta", detail: error.message });
      await closer.recover();
      return false;
    }
  }
}
