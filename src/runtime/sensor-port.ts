import type { SensorPlan } from "../config/plan.ts";
import { unreachable } from "../core/assert.ts";
import type { SerialSettings } from "../core/units/port.ts";
import type { Clock } from "../ports/clock.ts";
import type { FieldPort, FileBus, GpioBus, GpioPort, PortListener, ReplayBus } from "../ports/field-port.ts";
import type { ModbusLines } from "./modbus-lines.ts";
import type { SerialClaims } from "./serial-claims.ts";

/** The ways to the field. */
export interface PortWorld {
  readonly clock: Clock;
  readonly serial: SerialClaims;
  readonly modbus: ModbusLines;
  readonly gpio: GpioBus;
  readonly files: FileBus;
  readonly replay: ReplayBus;
}

/** The port of a sensor: as every port is, and once more when it is GPIO. */
export interface SensorPort {
  /** null: closed, or a simulator, which has none. */
  readonly field: FieldPort | null;
  readonly lines: GpioPort | null;
}

export const NO_PORT: SensorPort = { field: null, lines: null };

/** Opens the port of a sensor. `settings`: those that its session asked for last, in place of those of the plan. */
export function openPort(
  world: PortWorld,
  { id, port }: Pick<SensorPlan, "id" | "port">,
  settings: SerialSettings | null,
  listener: PortListener,
): SensorPort {
  switch (port.is) {
    case "serial":
      return { ...NO_PORT, field: world.serial.open(`sensor ${id}`, port.path, settings ?? port.settings, listener) };
    case "gpio": {
      const lines = world.gpio.watch(port.lines, listener);
      return { field: lines, lines };
    }
    case "modbus":
      return { ...NO_PORT, field: world.modbus.attach(port, listener) };
    case "file":
      return { ...NO_PORT, field: world.files.open(port.path, listener) };
    case "replay":
      return { ...NO_PORT, field: world.replay.open(port, listener) };
    case "simulator":
      world.clock.after(0, () => listener({ type: "opened", settings: {} }));
      return NO_PORT;
    default:
      return unreachable(port);
  }
}
