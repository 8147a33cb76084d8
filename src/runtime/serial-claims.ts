import type { SerialSettings } from "../core/units/port.ts";
import type { FieldPort, PortListener, SerialBus } from "../ports/field-port.ts";

/**
 * A serial bus on which every device has one owner. Two names can lead to the same device, and two readers of one device steal
 * each other's bytes: the second one is refused, for as long as the first holds it.
 */
export class SerialClaims {
  readonly #bus: SerialBus;
  readonly #owners = new Map<string, string>();

  constructor(bus: SerialBus) {
    this.#bus = bus;
  }

  /** Opens `path` for `owner` (`sensor air-1`, `bus rs485-1`), which is how the refused one learns who has it. */
  open(owner: string, path: string, settings: SerialSettings, listener: PortListener): FieldPort {
    const device = this.#bus.realPath(path) ?? path;
    const other = this.#owners.get(device);
    if (other !== undefined && other !== owner) return refused(path, other, listener);
    this.#owners.set(device, owner);
    const release = (): void => {
      if (this.#owners.get(device) === owner) this.#owners.delete(device);
    };
    const port = this.#bus.open(path, settings, (event) => {
      if (event.type === "closed") release();
      listener(event);
    });
    return {
      write: (data) => port.write(data),
      signal: (name, on) => port.signal(name, on),
      close: () => {
        release();
        port.close();
      },
    };
  }
}

function refused(path: string, other: string, listener: PortListener): FieldPort {
  let isClosed = false;
  queueMicrotask(() => {
    if (isClosed) return;
    const detail = `${path} is the device that ${other} reads`;
    listener({ type: "closed", code: "busy", detail, remedy: "give each sensor its own path under /dev/serial/by-path" });
  });
  return {
    write: () => {},
    signal: () => {},
    close: () => {
      isClosed = true;
    },
  };
}
