import type { SensorPlan } from "../config/plan.ts";
import { unreachable } from "../core/assert.ts";
import type { SerialSettings } from "../core/units/port.ts";
import type { Clock } from "../ports/clock.ts";
import type { FieldPort, FileBus, GpioBus, GpioPort, PortListener, ReplayBus } from "../ports/field-port.ts";
import type { SerialClaims } from "./serial-claims.ts";

/** The ways to the field. */
export interface PortWorld {
  readonly clock: Clock;
  readonly serial: SerialClaims;
  readonly gpio: GpioBus;
  readonly files: FileBus;
  readonly replay: ReplayBus;
}

/** A port that is being opened: `lines` is the same one, when it is GPIO. A simulator has none, and is open in the next turn. */
export interface Opening {
  readonly port: FieldPort | null;
  readonly lines: GpioPort | null;
}

/** Opens the port of a sensor. `settings`: those that its session asked for last, in place of those of the plan. */
export function openPort(world: PortWorld, { id, port }: SensorPlan, settings: SerialSettings | null, listener: PortListener): Opening {
  switch (port.is) {
    case "serial":
      return { port: world.serial.open(id, port.path, settings ?? port.settings, listener), lines: null };
    case "gpio": {
      const lines = world.gpio.watch(port.lines, listener);
      return { port: lines, lines };
    }
    case "file":
      return { port: world.files.open(port.path, listener), lines: null };
    case "replay":
      return { port: world.replay.open(port, listener), lines: null };
    case "simulator":
      world.clock.after(0, () => listener({ type: "opened", settings: {} }));
      return { port: null, lines: null };
    default:
      return unreachable(port);
  }
}
