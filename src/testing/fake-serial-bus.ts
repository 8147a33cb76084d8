import type { SerialSettings } from "../core/units/port.ts";
import type { FieldPort, PortEvent, PortFault, PortListener, SerialBus } from "../ports/field-port.ts";

/** Puts off a task to a later turn. In a simulation: `(task) => clock.after(0, task)`. */
export type Defer = (task: () => void) => void;

/** What was done to a control line. */
export interface FakeSignal {
  readonly name: "break" | "dtr" | "rts";
  readonly on: boolean;
}

interface FakeDevice {
  readonly written: Uint8Array[];
  readonly signals: FakeSignal[];
  refuses: PortFault | null;
  plugged: boolean;
  openings: SerialSettings[];
  handle: FakeHandle | null;
}

/**
 * Serial ports without hardware. A path leads to nothing until something is plugged in there. The faults it can inject, which a
 * node must survive: unplugged while open or opening, refused with any fault, another holder, bytes in any pieces at any time.
 * Events are told in the turn that `defer` chooses, never from within a call of the node.
 */
export class FakeSerialBus implements SerialBus {
  readonly #devices = new Map<string, FakeDevice>();
  readonly #aliases = new Map<string, string>();
  readonly #defer: Defer;

  constructor({ defer = queueMicrotask }: { readonly defer?: Defer } = {}) {
    this.#defer = defer;
  }

  /** Something is plugged in at `path`; `alias` is another path to the same device. */
  plug(path: string, { alias }: { readonly alias?: string } = {}): void {
    this.#device(path).plugged = true;
    if (alias !== undefined) this.#aliases.set(alias, path);
  }

  /** The plug is pulled; an open port hears of it. */
  unplug(path: string): void {
    const device = this.#device(path);
    device.plugged = false;
    device.handle?.die("gone", "unplugged");
  }

  /** From now on opening `path` fails with `fault`; null: it works again. */
  refuse(path: string, fault: PortFault | null): void {
    this.#device(path).refuses = fault;
  }

  /** The open port dies with `fault` while its device stays plugged. */
  fail(path: string, fault: PortFault): void {
    this.#device(path).handle?.die(fault, "injected");
  }

  /** The device says something. False when nobody listens: the bytes are lost, as on a wire. */
  feed(path: string, data: Uint8Array): boolean {
    return this.#device(path).handle?.hear(data) ?? false;
  }

  /** Everything written to the device so far, one entry for each write. */
  written(path: string): readonly Uint8Array[] {
    return this.#device(path).written;
  }

  signals(path: string): readonly FakeSignal[] {
    return this.#device(path).signals;
  }

  /** The settings of each opening that worked. */
  openings(path: string): readonly SerialSettings[] {
    return this.#device(path).openings;
  }

  open(path: string, settings: SerialSettings, listener: PortListener): FieldPort {
    const device = this.#device(path);
    const handle = new FakeHandle(device, listener, this.#defer);
    this.#defer(() => handle.start(settings));
    return handle;
  }

  realPath(path: string): string | null {
    const target = this.#aliases.get(path) ?? path;
    return this.#devices.get(target)?.plugged ? target : null;
  }

  #device(path: string): FakeDevice {
    const target = this.#aliases.get(path) ?? path;
    const known = this.#devices.get(target);
    if (known !== undefined) return known;
    const device: FakeDevice = { written: [], signals: [], refuses: null, plugged: false, openings: [], handle: null };
    this.#devices.set(target, device);
    return device;
  }
}

const closedWith = (code: PortFault, detail: string): PortEvent => ({ type: "closed", code, detail, remedy: "This is a test." });

class FakeHandle implements FieldPort {
  readonly #device: FakeDevice;
  readonly #listener: PortListener;
  readonly #defer: Defer;
  #is: "opening" | "open" | "closed" = "opening";

  constructor(device: FakeDevice, listener: PortListener, defer: Defer) {
    this.#device = device;
    this.#listener = listener;
    this.#defer = defer;
  }

  start(settings: SerialSettings): void {
    if (this.#is !== "opening") return;
    const device = this.#device;
    const refusal = !device.plugged ? "gone" : device.handle !== null ? "busy" : device.refuses;
    if (refusal !== null) {
      this.#is = "closed";
      this.#listener(closedWith(refusal, `refused: ${refusal}`));
      return;
    }
    this.#is = "open";
    device.handle = this;
    device.openings.push(settings);
    this.#listener({ type: "opened", settings: { serial: settings } });
  }

  hear(data: Uint8Array): boolean {
    if (this.#is !== "open") return false;
    const copy = data.slice();
    this.#defer(() => {
      if (this.#is === "open") this.#listener({ type: "bytes", data: copy });
    });
    return true;
  }

  die(code: PortFault, detail: string): void {
    if (this.#device.handle === this) this.#device.handle = null;
    this.#defer(() => {
      if (this.#is === "closed") return;
      this.#is = "closed";
      this.#listener(closedWith(code, detail));
    });
  }

  write(data: Uint8Array): void {
    if (this.#is === "open" && this.#device.handle === this) this.#device.written.push(data.slice());
  }

  signal(name: "break" | "dtr" | "rts", on: boolean): void {
    if (this.#is === "open" && this.#device.handle === this) this.#device.signals.push({ name, on });
  }

  close(): void {
    this.#is = "closed";
    if (this.#device.handle === this) this.#device.handle = null;
  }
}
