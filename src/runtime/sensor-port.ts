import type { SensorPlan } from "../config/plan.ts";
import type { SerialSettings } from "../core/units/port.ts";
import type { AskedPort, FieldPort, GpioPort, PortListener } from "../ports/field-port.ts";
import type { SensorWorld } from "./sensor.ts";

/** The port of a sensor: once as every port is, and once more as its kind. */
export interface SensorPort {
  /** null: closed, or a simulator, which has none. */
  readonly field: FieldPort | null;
  readonly lines: GpioPort | null;
  readonly asked: AskedPort | null;
}

export const NO_PORT: SensorPort = { field: null, lines: null, asked: null };

/** Opens the port that the plan says; `settings`: those that the session asked for, of a serial line of its own. */
export function openPort(
  world: Pick<SensorWorld, "serial" | "modbus" | "gpio" | "replay" | "clock">,
  { id, port }: Pick<SensorPlan, "id" | "port">,
  settings: SerialSettings | null,
  listener: PortListener,
): SensorPort {
  switch (port.is) {
    case "serial":
      return { ...NO_PORT, field: world.serial.open(`sensor ${id}`, port.path, settings ?? port.settings, listener) };
    case "gpio": {
      const lines = world.gpio.watch(port.lines, listener);
      return { ...NO_PORT, field: lines, lines };
    }
    case "modbus": {
      const asked = world.modbus.attach(port, listener);
      return { ...NO_PORT, field: asked, asked };
    }
    case "replay":
      return { ...NO_PORT, field: world.replay.open(port, listener) };
    case "simulator":
      world.clock.after(0, () => listener({ type: "opened", settings: {} }));
      return NO_PORT;
  }
}
