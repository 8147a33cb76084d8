import type { NodePlan } from "../config/plan.ts";
import type { Message } from "../core/anonymise/message.ts";
import type { EpochMs } from "../core/units/time.ts";
import { NativeFormat } from "../formats/native.ts";
import type { Broker } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import type { GpioBus, ReplayBus, SerialBus } from "../ports/field-port.ts";
import type { LiveStore } from "../ports/live-store.ts";
import { type Outbox, OutboxError } from "../ports/outbox.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import { Anchors } from "./anchors.ts";
import { type BrokerSafety, type BrokerWitnesses, safetyOf } from "./broker-safety.ts";
import { Closer, type MadeSummary } from "./closer.ts";
import { Housekeeping } from "./housekeeping.ts";
import { FLUSH_EVERY_MS, Ingest } from "./ingest.ts";
import { MetaBook } from "./meta-book.ts";
import { simulatedIn, streamsOf } from "./node-streams.ts";
import { Publisher, publisherLimits } from "./publisher.ts";
import { type Remembered, remember } from "./remembered.ts";
import type { Parting } from "./retirement.ts";
import { Sensor } from "./sensor.ts";
import { SerialClaims } from "./serial-claims.ts";
import { type LocalStatus, type NodeIdentity, STATUS_EVERY_S, StatusDesk } from "./status.ts";
import { EARLIEST_MS, TimeDesk } from "./time-desk.ts";
import { Timers } from "./timers.ts";

const SLOW_TICK_MS = 1_000;
/** The first readings need not wait for what a connection takes to set up: MQTT.js alone takes longer to load than a port to open. */
const CONNECT_AFTER_MS = 25;
/** Nothing is old enough to be let go in the first second. */
const SCHEDULE_AFTER_MS = 1_000;
/** How long a clean stop waits for PUBACKs. */
export const STOP_MS_MAX = 5_000;

/** Everything the node stands on. */
export interface World extends BrokerWitnesses {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly events: Events;
  readonly scheduler: Scheduler;
  readonly serial: SerialBus;
  readonly gpio: GpioBus;
  readonly replay: ReplayBus;
  readonly live: LiveStore;
  readonly outbox: Outbox;
  readonly broker: Broker;
  /** Resident memory of the process, bytes. */
  residentBytes(): number;
}

export interface NodeOptions {
  readonly identity: NodeIdentity;
  /** Codes of what is wrong with this machine for as long as the node runs: `SWAP_ON_DISK`. */
  readonly standing?: ReadonlySet<string>;
  /** Called once a second when loop, closer and stores are well: it feeds the watchdog. Never for sensor or broker data. */
  readonly heartbeat?: () => void;
  readonly onMade?: (made: MadeSummary) => void;
  /** How long the first connection waits, after a power return: `firstConnectMs`. Absent: it does not. */
  readonly connectAfterMs?: number;
  /** The node cannot go on: a sensor with `onStartFailure: fail` failed. */
  readonly onFatal?: (code: string) => void;
}

/** What a clean stop did with what was open. */
export interface StopReport {
  /** Summaries that wait in the outbox for the next start. */
  readonly pending: number;
  /** Windows that were still open: their readings stay in the live store, if that outlives the process. */
  readonly openWindows: readonly { readonly start: EpochMs; readonly windowMs: number }[];
}

/** A running node. */
export class Node {
  readonly #plan: NodePlan;
  readonly #world: World;
  readonly #options: NodeOptions;
  readonly #ingest: Ingest;
  readonly #time: TimeDesk;
  readonly #anchors: Anchors;
  readonly #format: NativeFormat;
  readonly #metas: MetaBook;
  readonly #sensors: readonly Sensor[];
  readonly #safety: BrokerSafety;
  readonly #publisher: Publisher;
  readonly #status: StatusDesk;
  readonly #closer: Closer;
  readonly #housekeeping: Housekeeping;
  readonly #problems = new Set<string>();
  readonly #timers: Timers;
  readonly #startedMs: number;
  #areMetasQueued = false;
  #statusSaid = "";
  #statusSaidMs = Number.NEGATIVE_INFINITY;
  #busy: Promise<void> = Promise.resolve();
  #stopping: Promise<StopReport> | null = null;
  /** Lost summaries up to this number were said, by this run or an earlier one. */
  #lostToSeq: number;

  /** Sets everything up and starts it. Resolves when sensors are being opened; the broker is connected to right after. */
  static async start(plan: NodePlan, world: World, options: NodeOptions): Promise<Node> {
    const node = new Node(plan, world, options, await remember(world.outbox));
    await node.#start();
    return node;
  }

  private constructor(plan: NodePlan, world: World, options: NodeOptions, found: Remembered) {
    this.#plan = plan;
    this.#world = world;
    this.#options = options;
    this.#timers = new Timers(world.clock);
    this.#startedMs = world.clock.monotonicMs();
    for (const code of options.standing ?? []) this.#problems.add(code);
    this.#lostToSeq = Math.max(0, ...world.outbox.standing().lost.map(({ toSeq }) => toSeq));
    this.#format = new NativeFormat(plan.broker.prefix, plan.node.id);
    this.#metas = new MetaBook(plan, this.#format, world.crypto, options.identity.version);
    this.#ingest = new Ingest(world);
    this.#anchors = new Anchors({ ...world, ingest: this.#ingest, closer: () => this.#closer });
    const { source, holdoverMs } = plan.time;
    const limits = { holdoverMs, earliestMs: EARLIEST_MS, lastTrustedMs: found.lastTrustedMs };
    this.#time = new TimeDesk(world.clock, world.events, source, (offsetMs, how) => this.#anchors.anchored(offsetMs, how), limits);
    const sensorWorld = {
      ...world,
      serial: new SerialClaims(world.serial),
      ingest: this.#ingest,
      onFatal: (code: string) => options.onFatal?.(code),
    };
    this.#sensors = plan.sensors.map((sensor) => new Sensor(sensorWorld, sensor));
    this.#safety = safetyOf({ ...world, time: this.#time, node: plan.node.id, instance: world.outbox.instance }, plan.broker);
    this.#publisher = this.#makePublisher();
    this.#status = this.#makeStatusDesk();
    this.#closer = this.#makeCloser(found);
    this.#housekeeping = new Housekeeping(plan.storage, world, this.#time);
  }

  /** For `stoep status`. */
  status(): LocalStatus {
    const uptimeSeconds = Math.floor((this.#world.clock.monotonicMs() - this.#startedMs) / 1_000);
    return this.#status.local({ bytes: this.#world.live.bytes() }, this.#world.residentBytes(), uptimeSeconds);
  }

  /** For `stoep time`. */
  get time(): TimeDesk {
    return this.#time;
  }

  /** Topic filter that everything of this node matches. */
  get topics(): string {
    return this.#format.everything;
  }

  /** The broker, behind the check of where it stands: nothing of this node reaches it by another way. */
  get broker(): Broker {
    return this.#safety.broker;
  }

  /** What `retireNode` needs to take this node away from its broker. */
  get parting(): Parting {
    const goodbye = (): Message => this.#format.status(this.#status.online("offline", this.#publisher.report.conn));
    return { publisher: this.#publisher, format: this.#format, metas: this.#metas, time: this.#time, problems: this.#problems, goodbye };
  }

  /** Flushes, closes what is due, publishes what it can within a few seconds, says `offline`, closes the stores. Once. */
  stop(reason: string): Promise<StopReport> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: string): Promise<StopReport> {
    const { clock, events, live, outbox, gpio } = this.#world;
    events.emit({ type: "NodeStopping", reason });
    this.#timers.stop();
    this.#ingest.cover(clock.monotonicMs());
    for (const sensor of this.#sensors) sensor.stop();
    this.#ingest.tick(clock.monotonicMs());
    await this.#busy;
    await this.#housekeeping.stop();
    await this.#closer.run();
    await this.#publisher.stop(this.parting.goodbye, STOP_MS_MAX);
    const pending = outbox.standing().pendingRows;
    const open = new Map(
      live.held().flatMap(({ window, windowMs }) => (window === null ? [] : [[`${windowMs}/${window}`, { start: window, windowMs }]])),
    );
    const openWindows = [...open.values()];
    gpio.close();
    live.close();
    await outbox.close();
    events.emit({ type: "NodeStopped", pendingSummaries: pending });
    return { pending, openWindows };
  }

  async #start(): Promise<void> {
    const { events, outbox, gpio } = this.#world;
    events.emit({ type: "NodeStarting", version: this.#options.identity.version, instance: outbox.instance, run: outbox.run });
    if (outbox.quarantined !== null) {
      this.#problems.add("OUTBOX_QUARANTINED");
      events.emit({ type: "OutboxQuarantined", path: outbox.quarantined });
    }
    if (this.#plan.sensors.some(({ port, enabled }) => enabled && port.is === "gpio")) {
      const { backend, detail } = await gpio.probe();
      events.emit({ type: "GpioBackend", backend, detail });
    }
    this.#time.tick();
    await this.#queueMetas();
    for (const sensor of this.#sensors) sensor.start();
    this.#timers.later("connect", Math.max(CONNECT_AFTER_MS, this.#options.connectAfterMs ?? 0), () => this.#publisher.start());
    this.#timers.later("housekeeping", SCHEDULE_AFTER_MS, () => this.#housekeeping.start());
    this.#timers.every("fast", FLUSH_EVERY_MS, () => this.#fastTick());
    // It waits for itself: a card that stalls delays it, and starves the watchdog when it does so for a minute.
    this.#timers.everyAfter(
      "slow",
      SLOW_TICK_MS,
      () => this.#slowTick(),
      (run) => {
        this.#busy = run;
      },
    );
    events.emit({ type: "NodeReady", sensors: this.#sensors.length, streams: streamsOf(this.#plan).length });
  }

  #fastTick(): void {
    const nowMs = this.#world.clock.monotonicMs();
    for (const sensor of this.#sensors) sensor.tick(nowMs);
    this.#ingest.tick(nowMs);
  }

  async #slowTick(): Promise<void> {
    this.#time.tick();
    if (this.#time.now() === null) this.#ingest.shedWaiting(this.#world.clock.monotonicMs(), this.#plan.time.maxWaitMs);
    const isClosed = (await this.#anchors.labelWaiting()) && (await this.#queueMetas()) && (await this.#closer.run());
    this.#ingest.shedOld(this.#world.clock.monotonicMs());
    this.#publisher.wake();
    const isPublisherWell = (await this.#publisher.tick()) || (await this.#closer.recover());
    const now = this.#time.now();
    this.#mark("OUTBOX_FAILED", !isClosed || !isPublisherWell);
    this.#mark("LIVE_FULL", this.#ingest.isFull);
    for (const [code, isWrong] of this.#closer.privacy.problems(now)) this.#mark(code, isWrong);
    for (const [code, isWrong] of this.#safety.tick()) this.#mark(code, isWrong);
    const doubt = this.#time.doubt();
    this.#mark("CLOCK_WENT_BACK", now === null ? doubt === "below-last-trusted" : this.#closer.isAhead(now));
    this.#mark("TIME_SOURCES_DISAGREE", doubt === "sources-disagree");
    this.#tellLost();
    this.#tellStatus();
    if (this.#world.outbox.standing().pendingBytes > this.#plan.storage.outbox.maxBytes) await this.#housekeeping.trim();
    if (isClosed) this.#options.heartbeat?.();
  }

  #mark(code: string, isWrong: boolean): void {
    if (isWrong) this.#problems.add(code);
    else this.#problems.delete(code);
  }

  /** A new status leaves every 300 s, and when something changed. */
  #tellStatus(): void {
    const nowMs = this.#world.clock.monotonicMs();
    const { isUp, conn } = this.#publisher.report;
    // Also while nobody listens: it is how the desk learns since when a problem has been there.
    const fingerprint = this.#status.fingerprint();
    if (!isUp) return;
    if (fingerprint === this.#statusSaid && nowMs - this.#statusSaidMs < STATUS_EVERY_S * 1_000) return;
    this.#publisher.say(this.#statusMessage(conn));
  }

  /** The status of now, remembered as said. */
  #statusMessage(conn: number): Message {
    this.#statusSaid = this.#status.fingerprint();
    this.#statusSaidMs = this.#world.clock.monotonicMs();
    return this.#format.status(this.#status.online("online", conn));
  }

  /** Metas go through the outbox before any summary that uses them; false when that failed and is to be tried again. */
  async #queueMetas(): Promise<boolean> {
    if (this.#areMetasQueued) return true;
    try {
      await this.#metas.queue(this.#world.outbox, this.#time.best());
      this.#areMetasQueued = true;
      return true;
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      this.#world.events.emit({ type: "OutboxFailed", code: "meta", detail: error.message });
      await this.#closer.recover();
      return false;
    }
  }

  /** Says once what will never arrive. */
  #tellLost(): void {
    for (const { fromSeq, toSeq, reason } of this.#world.outbox.standing().lost) {
      if (toSeq <= this.#lostToSeq) continue;
      this.#lostToSeq = toSeq;
      this.#world.events.emit({ type: "SummariesLost", fromSeq, toSeq, reason });
    }
  }

  #makePublisher(): Publisher {
    return new Publisher(
      {
        ...this.#world,
        broker: this.#safety.broker,
        time: this.#time,
        will: (conn) => this.#format.status(this.#status.lost(conn)),
        greeting: (conn) => this.#statusMessage(conn),
      },
      publisherLimits(this.#plan, this.#world.crypto),
    );
  }

  #makeStatusDesk(): StatusDesk {
    return new StatusDesk({
      plan: this.#plan,
      identity: this.#options.identity,
      outbox: this.#world.outbox,
      time: this.#time,
      sensors: this.#sensors,
      nodeRev: this.#metas.nodeRev,
      standing: this.#problems,
      connection: () => this.#publisher.report,
      safety: this.#safety,
    });
  }

  #makeCloser(found: Remembered): Closer {
    const simulated = simulatedIn(this.#plan);
    return new Closer(
      {
        ...this.#world,
        ingest: this.#ingest,
        time: this.#time,
        format: this.#format,
        metas: this.#metas,
        node: this.#plan.node.id,
        epsilonPerEventMicro: this.#plan.privacy.epsilonPerEventMicro,
        isSimulated: (sensor) => simulated.has(sensor),
        commit: (batch) => this.#publisher.commit(this.#time.noted(batch)),
        onMade: (made) => {
          this.#publisher.wake();
          this.#options.onMade?.(made);
        },
      },
      streamsOf(this.#plan),
      found,
    );
  }
}
