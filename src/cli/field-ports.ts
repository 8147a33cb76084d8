import { resolve } from "node:path";
import type { NodePlan, PortPlan } from "../config/plan.ts";
import type { Clock } from "../ports/clock.ts";
import type { FileBus, GpioBus, ReplayBus } from "../ports/field-port.ts";
import type { World } from "../runtime/node.ts";

const stands = ({ sensors }: NodePlan, on: PortPlan["is"]): boolean => sensors.some(({ port }) => port.is === on);

/** Loaded for nodes with such sensors only: it is much code, and the first reading waits for it. Once loaded it stays. */
export class FieldPorts {
  readonly #clock: Clock;
  readonly #base: string;
  #gpio: GpioBus = NO_GPIO;
  #files: FileBus = NO_FILES;
  #replay: ReplayBus = NO_REPLAY;
  #modbus: Pick<World, "modbus"> = {};

  constructor(clock: Clock, base: string) {
    this.#clock = clock;
    this.#base = base;
  }

  async for(plan: NodePlan): Promise<Pick<World, "gpio" | "files" | "replay" | "modbus">> {
    if (stands(plan, "gpio") && this.#gpio === NO_GPIO) {
      const { createGpioBus } = await import("../adapters/gpio/gpio-bus.ts");
      this.#gpio = createGpioBus({ clock: this.#clock, path: process.env.PATH ?? "/usr/bin:/bin" });
    }
    if (stands(plan, "file") && this.#files === NO_FILES) {
      const { createFileBus } = await import("../adapters/file-bus.ts");
      this.#files = createFileBus({ clock: this.#clock });
    }
    if (stands(plan, "replay") && this.#replay === NO_REPLAY) {
      const { createReplayBus, readCaptureFile } = await import("../adapters/replay-bus.ts");
      const { parseGolden } = await import("../driver-api/golden.ts");
      const readText = (path: string) => readCaptureFile(resolve(this.#base, path));
      this.#replay = createReplayBus({ clock: this.#clock, readText, parseCapture: parseGolden });
    }
    if (stands(plan, "modbus") && this.#modbus.modbus === undefined) {
      const { createModbusCodec } = await import("../adapters/modbus-codec.ts");
      this.#modbus = { modbus: createModbusCodec() };
    }
    return { gpio: this.#gpio, files: this.#files, replay: this.#replay, ...this.#modbus };
  }
}

const unplanned = (): never => {
  throw new Error("bug: a port of a kind that no sensor of the plan has");
};
const NO_GPIO: GpioBus = { probe: unplanned, watch: unplanned, close: () => {} };
const NO_FILES: FileBus = { open: unplanned };
const NO_REPLAY: ReplayBus = { open: unplanned };
