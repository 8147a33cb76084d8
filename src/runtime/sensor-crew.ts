import type { SensorPlan } from "../config/plan.ts";
import type { MonotonicMs } from "../core/units/time.ts";
import { Sensor, type SensorWorld } from "./sensor.ts";
import { SerialClaims } from "./serial-claims.ts";
import type { World } from "./world.ts";

/** Everything that sensors stand on, before it is settled which of them has which device. */
export type CrewWorld = Omit<SensorWorld, "serial"> & Pick<World, "serial">;

/** The sensors of a node. */
export class SensorCrew {
  readonly #world: SensorWorld;
  readonly #sensors: readonly Sensor[];

  constructor(world: CrewWorld, plans: readonly SensorPlan[]) {
    this.#world = { ...world, serial: new SerialClaims(world.serial) };
    this.#sensors = plans.map((plan) => new Sensor(this.#world, plan));
  }

  get sensors(): readonly Sensor[] {
    return this.#sensors;
  }

  start(): void {
    for (const sensor of this.#sensors) sensor.start();
  }

  tick(nowMs: MonotonicMs): void {
    for (const sensor of this.#sensors) sensor.tick(nowMs);
  }

  stop(): void {
    for (const sensor of this.#sensors) sensor.stop();
  }
}
