import type { SensorPlan } from "../config/plan.ts";
import type { SensorId } from "../core/units/ids.ts";
import type { MonotonicMs } from "../core/units/time.ts";
import type { ModbusCodec } from "../ports/modbus.ts";
import { FLUSH_EVERY_MS } from "./ingest.ts";
import { ModbusLines } from "./modbus-lines.ts";
import { samePort, sensorChange } from "./plan-change.ts";
import { Sensor, type SensorWorld } from "./sensor.ts";
import { SerialClaims } from "./serial-claims.ts";
import type { World } from "./world.ts";

/** Four ticks that did not come: the process was stopped, or the machine had other things to do. */
const AWAY_MS = 4 * FLUSH_EVERY_MS;

/** Everything that sensors stand on, before it is settled which of them has which device. */
export type CrewWorld = Omit<SensorWorld, "serial" | "modbus"> & Pick<World, "serial" | "modbus">;

/** A sensor that a change of plan is judged by. */
export interface JudgedSensor {
  readonly sensor: Sensor;
  /** How often its port was opened before. */
  readonly openedBefore: number;
}

/** What a change of plan did to the sensors. */
export interface CrewChange {
  readonly added: readonly SensorId[];
  readonly removed: readonly SensorId[];
  readonly reopened: readonly SensorId[];
  readonly rearranged: readonly SensorId[];
  readonly judged: readonly JudgedSensor[];
}

/** The sensors of a node. A change of plan touches only those that it is about. */
export class SensorCrew {
  #world: SensorWorld;
  #codec: ModbusCodec | null;
  /** The buses, which outlive a change of plan. */
  readonly buses: ModbusLines;
  #sensors: readonly Sensor[];
  #tickedMs = Number.NEGATIVE_INFINITY;

  constructor(world: CrewWorld, plans: readonly SensorPlan[]) {
    const serial = new SerialClaims(world.serial);
    this.#codec = world.modbus ?? null;
    this.buses = new ModbusLines({ clock: world.clock, serial, codec: () => this.#codec });
    this.#world = { ...world, serial, modbus: this.buses };
    this.#sensors = plans.map((plan) => new Sensor(this.#world, plan));
  }

  get sensors(): readonly Sensor[] {
    return this.#sensors;
  }

  start(): void {
    for (const sensor of this.#sensors) sensor.start();
  }

  tick(nowMs: MonotonicMs): void {
    const wasAway = nowMs - this.#tickedMs > AWAY_MS;
    this.#tickedMs = nowMs;
    for (const sensor of this.#sensors) sensor.tick(nowMs, wasAway);
  }

  stop(): void {
    for (const sensor of this.#sensors) sensor.stop();
  }

  /** Ports of a kind that no sensor had until now. */
  equip({ modbus, ...ports }: Partial<Pick<World, "gpio" | "files" | "replay" | "modbus">>): void {
    this.#codec = modbus ?? this.#codec;
    this.#world = { ...this.#world, ...ports };
  }

  /** Makes the sensors those of `plans`. Every port that is to be closed is closed before one is opened: devices may change hands. */
  apply(plans: readonly SensorPlan[]): CrewChange {
    const old = new Map(this.#sensors.map((sensor) => [sensor.plan.id, sensor]));
    const fates = plans.map((plan) => fateOf(plan, old.get(plan.id) ?? null));
    const gone = this.#sensors.filter(({ plan }) => !fates.some(({ id, is }) => id === plan.id && is !== "reopened"));
    for (const sensor of gone) sensor.dismiss();
    const judged: JudgedSensor[] = [];
    const started: Sensor[] = [];
    this.#sensors = fates.map(({ plan, before, is, isJudged }) => {
      if (before !== null && is !== "reopened") {
        if (is === "rearranged") before.rearrange(plan);
        return before;
      }
      const sensor = new Sensor(this.#world, plan, before?.counters);
      started.push(sensor);
      if (isJudged) judged.push({ sensor, openedBefore: sensor.counters.opened });
      return sensor;
    });
    for (const sensor of started) sensor.start();
    const those = (change: Fate["is"]): readonly SensorId[] => fates.filter(({ is }) => is === change).map(({ id }) => id);
    const removed = [...old.keys()].filter((id) => !fates.some((fate) => fate.id === id));
    return { added: those("added"), removed, reopened: those("reopened"), rearranged: those("rearranged"), judged };
  }
}

/** What becomes of one sensor. */
interface Fate {
  readonly id: SensorId;
  readonly plan: SensorPlan;
  readonly before: Sensor | null;
  readonly is: "added" | "kept" | "rearranged" | "reopened";
  readonly isJudged: boolean;
}

function fateOf(plan: SensorPlan, before: Sensor | null): Fate {
  const is = before === null ? "added" : sensorChange(before.plan, plan);
  // A device that was missing before says nothing about the new plan, and `skip` says that it may be missing.
  const wasMissing = before !== null && before.trouble !== null && samePort(before.plan.port, plan.port);
  const isJudged = plan.enabled && plan.onStartFailure !== "skip" && !wasMissing;
  return { id: plan.id, plan, before, is, isJudged };
}
