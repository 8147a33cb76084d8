import type { NodePlan } from "../config/plan.ts";
import type { BusCounters } from "../core/events/bus-counters.ts";
import type { SensorCounters } from "../core/events/counters.ts";
import { type NodeProblem, problemEntry } from "../core/events/problems.ts";
import type { SensorId } from "../core/units/ids.ts";
import { isoUtc } from "../core/units/time.ts";
import type { Health, LostStatus, OnlineStatus, Problem, SensorState } from "../formats/documents.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { BrokerSecurity } from "./broker-guard.ts";
import type { BrokerSafety } from "./broker-safety.ts";
import type { ConnectionReport } from "./connection-desk.ts";
import type { LocalBus } from "./modbus-lines.ts";
import { isOfPeople } from "./people.ts";
import type { Sensor } from "./sensor.ts";
import type { TimeDesk } from "./time-desk.ts";

/** How often the status is renewed on the broker, seconds. */
export const STATUS_EVERY_S = 300;

/** Who the node is in this run. */
export interface NodeIdentity {
  readonly version: string;
  /** First 8 hex digits of the SHA-256 of the config file. */
  readonly configRev: string;
  /** The same of a file that was refused, or tried and taken back; null or absent when the file is the one that runs. */
  readonly rejectedRev?: string | null;
  readonly bootId: string;
  /** How many hours of summaries the outbox takes before the oldest go; null when nothing is published. */
  readonly outboxHours: number | null;
}

/** One sensor as `stoep status` shows it. */
export interface LocalSensor {
  readonly state: SensorState;
  readonly trouble: string | null;
  readonly driver: string;
  /** Whether everything that came in is accounted for. */
  readonly balanced: boolean;
  /** Null for sensors of people: such counters are the people count. */
  readonly counters: SensorCounters | null;
}

/** One bus as `stoep status` shows it. */
export interface LocalBusStatus extends Omit<LocalBus, "counters"> {
  /** Null where a sensor of people is on it. */
  readonly counters: BusCounters | null;
}

/** What the node tells on its Unix socket: the published status, and what only matters on the spot. */
export interface LocalStatus {
  readonly status: OnlineStatus;
  readonly connection: ConnectionReport;
  /** Where the broker stands, and what TLS agreed on with it. */
  readonly security: BrokerSecurity;
  readonly outbox: { readonly rows: number; readonly bytes: number };
  /** Null where there are sensors of people: every passage makes it grow. */
  readonly live: { readonly bytes: number | null };
  readonly memory: { readonly residentBytes: number };
  readonly uptimeSeconds: number;
  readonly sensors: Readonly<Record<string, LocalSensor>>;
  /** Buses that sensors share, by name. */
  readonly buses: Readonly<Record<string, LocalBusStatus>>;
}

export interface StatusWorld {
  readonly plan: NodePlan;
  readonly identity: NodeIdentity;
  readonly outbox: Outbox;
  readonly time: TimeDesk;
  readonly sensors: readonly Sensor[];
  readonly buses: Readonly<Record<string, LocalBus>>;
  readonly nodeRev: string;
  /** Problems of the node itself that others found: codes. */
  readonly standing: ReadonlySet<NodeProblem>;
  connection(): ConnectionReport;
  /** Whether somebody on this machine watches a sensor of people. */
  isWatched(sensor: SensorId): boolean;
  readonly safety: BrokerSafety;
}

/** Writes the status documents. Remembers since when a problem has been there. */
export class StatusDesk {
  readonly #world: StatusWorld;
  readonly #since = new Map<string, string | null>();

  constructor(world: StatusWorld) {
    this.#world = world;
  }

  online(state: "online" | "offline", conn: number): OnlineStatus {
    const { plan, identity, outbox, time, nodeRev, sensors } = this.#world;
    const standing = outbox.standing();
    const problems = this.#problems();
    return {
      v: 1,
      node: plan.node.id,
      instance: outbox.instance,
      boot: identity.bootId,
      run: outbox.run,
      conn,
      state,
      at: isoUtc(time.best()),
      every: STATUS_EVERY_S,
      health: healthOf(problems),
      problems,
      version: identity.version,
      rev: nodeRev,
      config: { active: identity.configRev, rejected: identity.rejectedRev ?? null },
      time: { state: time.state() ?? "untrusted", errorMs: time.errorMs() },
      outbox: {
        pending: standing.pendingRows,
        firstUnacked: standing.firstUnackedSeq,
        lastSeq: standing.lastSeq,
        hours: identity.outboxHours,
        lost: standing.lost,
        lostEarlier: standing.lostEarlier,
      },
      sensors: Object.fromEntries(sensors.map((sensor) => [sensor.plan.id, sensor.state])),
      expires: this.#world.safety.ends,
    };
  }

  lost(conn: number): LostStatus {
    const { plan, identity, outbox } = this.#world;
    return { v: 1, state: "lost", node: plan.node.id, instance: outbox.instance, boot: identity.bootId, run: outbox.run, conn };
  }

  /** What changes tell a subscriber something: a new status is published when this text changes. */
  fingerprint(): string {
    const { health, problems, sensors, time, rev, config, expires } = this.online("online", 0);
    return JSON.stringify([health, problems.map(({ code, sensor }) => [code, sensor]), sensors, time.state, rev, config, expires]);
  }

  local(live: { readonly bytes: number }, residentBytes: number, uptimeSeconds: number): LocalStatus {
    const { outbox, sensors } = this.#world;
    const standing = outbox.standing();
    const connection = this.#world.connection();
    return {
      status: this.online("online", connection.conn),
      connection,
      security: this.#world.safety.security,
      outbox: { rows: standing.pendingRows, bytes: standing.pendingBytes },
      live: { bytes: sensors.some(({ plan }) => isOfPeople(plan)) ? null : live.bytes },
      memory: { residentBytes },
      uptimeSeconds,
      sensors: Object.fromEntries(sensors.map((sensor) => [sensor.plan.id, localSensor(sensor)])),
      buses: Object.fromEntries(Object.entries(this.#world.buses).map(([name, bus]) => [name, this.#localBus(name, bus)])),
    };
  }

  #localBus(name: string, bus: LocalBus): LocalBusStatus {
    const units = this.#world.sensors.filter(({ plan }) => plan.port.is === "modbus" && plan.port.bus === name);
    return { ...bus, counters: units.some(({ plan }) => isOfPeople(plan)) ? null : bus.counters };
  }

  #problems(): readonly Problem[] {
    const found: { code: string; sensor: string | null }[] = [...this.#world.standing].map((code) => ({ code, sensor: null }));
    if (this.#world.identity.rejectedRev != null) found.push({ code: "CONFIG_REJECTED", sensor: null });
    if (this.#world.time.state() === null) found.push({ code: "TIME_UNTRUSTED", sensor: null });
    const { isUp, problem, takesNothing } = this.#world.connection();
    if (!isUp) found.push({ code: "BROKER_AWAY", sensor: null });
    if (takesNothing) found.push({ code: "BROKER_TAKES_NOTHING", sensor: null });
    if (problem !== null) found.push({ code: problem, sensor: null });
    for (const sensor of this.#world.sensors) {
      const { trouble, plan, counters } = sensor;
      if (this.#world.isWatched(plan.id)) found.push({ code: "WATCHED", sensor: plan.id });
      if (!counters.balanced) found.push({ code: "COUNTERS_UNBALANCED", sensor: plan.id });
      if (sensor.isWorn) found.push({ code: "SENSOR_LIFE_EXCEEDED", sensor: plan.id });
      if (trouble !== null && sensor.state !== "maintenance")
        found.push({ code: `SENSOR_${trouble.toUpperCase().replaceAll("-", "_")}`, sensor: plan.id });
    }
    const keys = new Set(found.map(({ code, sensor }) => `${code} ${sensor}`));
    for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
    return found.map(({ code, sensor }) => ({ code, sensor, since: this.#sinceOf(`${code} ${sensor}`) }));
  }

  #sinceOf(key: string): string | null {
    const known = this.#since.get(key);
    if (known !== undefined && known !== null) return known;
    const now = this.#world.time.now();
    const since = now === null ? null : isoUtc(now);
    this.#since.set(key, since);
    return since;
  }
}

function healthOf(problems: readonly Problem[]): Health {
  if (problems.some(({ code }) => problemEntry(code).health === "failing")) return "failing";
  return problems.length > 0 ? "degraded" : "ok";
}

function localSensor(sensor: Sensor): LocalSensor {
  const { state, trouble, plan, counters } = sensor;
  return { state, trouble, driver: plan.driver.name, balanced: counters.balanced, counters: isOfPeople(plan) ? null : counters };
}
