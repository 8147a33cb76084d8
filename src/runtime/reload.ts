import type { NodePlan } from "../config/plan.ts";
import { assert } from "../core/assert.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { StreamId } from "../core/units/ids.ts";
import { NativeFormat } from "../formats/native.ts";
import type { Clock } from "../ports/clock.ts";
import { type Mark, OutboxError, TRIED_FACT } from "../ports/outbox.ts";
import type { WayToBroker } from "./broker-safety.ts";
import type { Ingest } from "./ingest.ts";
import type { NodeParts } from "./node-parts.ts";
import { PEOPLE_CODES } from "./people.ts";
import { type RestartNeed, restartNeeds, type StreamChanges, streamChanges } from "./plan-change.ts";
import { clearRetained, retainedTopics } from "./retirement.ts";
import type { CrewChange, JudgedSensor } from "./sensor-crew.ts";
import type { NodeIdentity } from "./status.ts";
import type { Turns } from "./turns.ts";
import type { World } from "./world.ts";

/** The longest that a new plan is on trial: what went before is back within 30 s (promise P6), and putting it back takes time as well. */
export const TRIAL_MS_MAX = 27_000;
/** How long every judged sensor must have been without trouble: a wrong driver or device shows within a second or two of `opened`. */
export const HOLD_MS = 2_000;
const POLL_MS = 250;
/** How long a broker that is left by a reload may take to acknowledge what is under way. What it does not is sent to the next one. */
const LEAVE_MS_MAX = 2_000;
/** How long it may take to forget what it retains under a prefix that is left. Windows wait meanwhile, and so does the watchdog. */
const CLEAR_MS_MAX = 10_000;

/** A checked plan that a running node is to take over. */
export interface ReloadRequest {
  readonly plan: NodePlan;
  readonly identity: NodeIdentity;
  /** Ports of a kind that no sensor had before. */
  readonly ports?: Partial<Pick<World, "gpio" | "files" | "replay" | "modbus">>;
  /** Problems of this machine that the plan brings up, as `NodeOptions.standing`. Of `PEOPLE_CODES` these are all. */
  readonly standing?: ReadonlySet<NodeProblem>;
  /** Another broker, or another way to it; absent: the connection stays. */
  readonly broker?: WayToBroker;
}

/** Why a plan was taken back. `sensor` is null for the stores. */
export interface TrialTrouble {
  readonly sensor: string | null;
  readonly code: string;
}

/** What became of a reload. */
export type ReloadOutcome =
  | { readonly is: "applied"; readonly changes: ReloadChanges }
  | { readonly is: "refused"; readonly needs: readonly RestartNeed[] }
  | { readonly is: "rolled-back"; readonly because: readonly TrialTrouble[] }
  /** The node was stopped meanwhile. */
  | { readonly is: "stopped" };

/** What a reload changed, by name. */
export interface ReloadChanges {
  readonly sensors: Omit<CrewChange, "judged">;
  readonly streams: StreamChanges;
  /** The connection to the broker is a new one. */
  readonly reconnected: boolean;
}

/** What a reload works on, and what the node does for it. */
export interface ReloadWorld {
  readonly parts: NodeParts;
  readonly turns: Turns;
  /** Queues metas, and closes what is due. */
  settle(): Promise<void>;
  probeGpio(before: NodePlan, after: NodePlan): Promise<void>;
  isStopping(): boolean;
}

/**
 * Takes over another plan while the node runs. Sensors first, and only those that it is about; when their ports are well and the stores
 * take a write, the rest follows. Else the sensors of before come back, and nothing else was touched (promise P6).
 */
export class Reloading {
  readonly #world: ReloadWorld;
  #trial: Trial | null = null;

  constructor(world: ReloadWorld) {
    this.#world = world;
  }

  get isOnTrial(): boolean {
    return this.#trial !== null;
  }

  /** A sensor says that the node cannot go on: on trial that is the fault of the new plan. */
  isBlamed(code: string): boolean {
    this.#trial?.fail(code);
    return this.#trial !== null;
  }

  /** The node stops: a plan on trial is not decided upon any more, and windows are closed by the one before it. */
  abandon(): void {
    if (this.#trial !== null) this.#world.parts.closer.restore(this.#trial.redefined);
  }

  async reload(request: ReloadRequest): Promise<ReloadOutcome> {
    const { parts, turns, isStopping } = this.#world;
    assert(this.#trial === null, "one reload at a time");
    const before = parts.plan;
    const streams = streamChanges(before, request.plan);
    const needs = [...restartNeeds(before, request.plan), ...clockNeeds(streams, parts.time.now() !== null)];
    if (needs.length > 0) return { is: "refused", needs };
    const tried = await turns.take(() => this.#tryOut(request, before, streams));
    if (tried === "stopped") return { is: tried };
    if ("code" in tried) return { is: "rolled-back", because: [tried] };
    const troubles = await tried.trial.verdict(isStopping);
    return await turns.take(async () => {
      if (isStopping()) return { is: "stopped" };
      const marks = troubles.length > 0 ? troubles : await this.#marks();
      this.#trial = null;
      if (marks instanceof Map) return await this.#adopt(request, tried.sensors, streams, marks);
      parts.crew.apply(before.sensors);
      parts.closer.restore(streams.redefined);
      return { is: "rolled-back", because: marks };
    });
  }

  /** Proves the stores, and puts the sensors of a plan on trial. */
  async #tryOut(
    { plan, ports = {}, identity }: ReloadRequest,
    before: NodePlan,
    { redefined }: StreamChanges,
  ): Promise<{ readonly trial: Trial; readonly sensors: CrewChange } | TrialTrouble | "stopped"> {
    const { parts, settle, probeGpio, isStopping } = this.#world;
    const { world, closer, time, crew, ingest } = parts;
    if (isStopping()) return "stopped";
    // What is over is closed by the plan that it was measured under.
    await settle();
    try {
      await world.outbox.commit({ rows: [], marks: new Map(), facts: new Map([[TRIED_FACT, identity.configRev]]), madeAt: time.best() });
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      await closer.recover();
      return { sensor: null, code: error.code };
    }
    parts.equip(ports);
    await probeGpio(before, plan);
    // The sensors have been told to stop: one that is started now would go on for ever.
    if (isStopping()) return "stopped";
    // Before the sensors: `onStartFailure: fail` may speak up while one is started.
    const trial = new Trial(redefined, { ingest, clock: world.clock });
    this.#trial = trial;
    const sensors = crew.apply(plan.sensors);
    trial.judge(sensors.judged);
    return { trial, sensors };
  }

  /** Where streams stand in the outbox, or what is wrong with it. */
  async #marks(): Promise<Map<StreamId, Mark> | readonly TrialTrouble[]> {
    const { world, closer } = this.#world.parts;
    try {
      return await world.outbox.marks();
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      await closer.recover();
      return [{ sensor: null, code: error.code }];
    }
  }

  /** The trial went well: everything else of the plan. */
  async #adopt(
    { plan, identity, broker, standing = new Set() }: ReloadRequest,
    { judged: _, ...sensors }: CrewChange,
    streams: StreamChanges,
    marks: ReadonlyMap<StreamId, Mark>,
  ): Promise<ReloadOutcome> {
    const { parts, settle } = this.#world;
    // What was retired does not come back before the next start.
    const way = parts.problems.has("RETIRED") ? undefined : broker;
    if (way !== undefined) await this.#leave(plan);
    parts.replan(plan, identity, marks);
    for (const code of PEOPLE_CODES) if (!standing.has(code)) parts.problems.delete(code);
    for (const code of standing) parts.problems.add(code);
    if (way !== undefined) parts.reconnect(way);
    await settle();
    parts.teller.tell();
    return { is: "applied", changes: { sensors, streams, reconnected: way !== undefined } };
  }

  /** Ends the connection. Under another prefix nobody would renew or clear what the broker retains under this one: it forgets that now. */
  async #leave(next: NodePlan): Promise<void> {
    const { publisher, world, safety, format, metas, time, closer } = this.#world.parts;
    const { isUp } = publisher.report;
    await publisher.stop(() => this.#world.parts.goodbye(), LEAVE_MS_MAX);
    if (!isUp || new NativeFormat(next.broker.prefix, next.node.id).root === format.root) return;
    const planned = metas.entries.map(({ topic }) => topic);
    try {
      const topics = (await retainedTopics(world.outbox, format, planned)).filter((topic) => topic.startsWith(`${format.root}/`));
      await clearRetained({ clock: world.clock, outbox: world.outbox, broker: safety.broker, time }, format, topics, CLEAR_MS_MAX);
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      await closer.recover();
    }
  }
}

/** Readings that wait for the clock have no window that could be left out. */
function clockNeeds({ redefined }: StreamChanges, isTrusted: boolean): readonly RestartNeed[] {
  if (redefined.length === 0 || isTrusted) return [];
  const remedy = `${redefined.join(", ")} would mean something else within a window, while the clock is not trusted; reload when it is`;
  return [{ path: ["sensors"], remedy }];
}

/** A plan on trial: it is judged by the ports of sensors that it changed, and by the live store; by nothing that others may do. */
export class Trial {
  /** Streams whose open window holds readings of two meanings by now. */
  readonly redefined: readonly StreamId[];
  #judged: readonly JudgedSensor[] = [];
  readonly #ingest: Ingest;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #wasFull: boolean;
  #wellSinceMs: number | null = null;
  #fatal: TrialTrouble | null = null;

  constructor(redefined: readonly StreamId[], { ingest, clock }: { readonly ingest: Ingest; readonly clock: Clock }) {
    this.redefined = redefined;
    this.#ingest = ingest;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#wasFull = ingest.isFull;
  }

  judge(judged: readonly JudgedSensor[]): void {
    this.#judged = judged;
  }

  /** A sensor of the plan says that the node cannot go on with it. */
  fail(code: string): void {
    this.#fatal = { sensor: null, code };
  }

  /** Resolves when it is over: with what was wrong, or nothing. `isCalledOff` ends it early. */
  async verdict(isCalledOff: () => boolean): Promise<readonly TrialTrouble[]> {
    for (;;) {
      if (isCalledOff()) return [];
      const troubles = this.#troubles();
      const nowMs = this.#clock.monotonicMs();
      if (this.#fatal !== null) return [this.#fatal, ...troubles];
      if (troubles.length > 0) this.#wellSinceMs = null;
      else this.#wellSinceMs ??= nowMs;
      const holdMs = this.#judged.length === 0 ? 0 : HOLD_MS;
      if (this.#wellSinceMs !== null && nowMs - this.#wellSinceMs >= holdMs) return [];
      if (nowMs - this.#startedMs >= TRIAL_MS_MAX) return troubles.length > 0 ? troubles : [{ sensor: null, code: "unsteady" }];
      await new Promise<void>((resolve) => this.#clock.after(POLL_MS, resolve));
    }
  }

  #troubles(): readonly TrialTrouble[] {
    const troubles: TrialTrouble[] = [];
    for (const { sensor, openedBefore } of this.#judged) {
      const code = portTrouble(sensor.trouble, sensor.counters.opened > openedBefore);
      if (code !== null) troubles.push({ sensor: sensor.plan.id, code });
    }
    if (this.#ingest.isFull && !this.#wasFull) troubles.push({ sensor: null, code: "LIVE_FULL" });
    return troubles;
  }
}

/** A port that was opened and came to its end, as a replay does, was a good one. */
function portTrouble(trouble: string | null, wasOpened: boolean): string | null {
  if (!wasOpened) return trouble ?? "not-open";
  return trouble === "ended" ? null : trouble;
}
