import { stringify } from "yaml";
import { createModbusCodec } from "../../src/adapters/modbus-codec.ts";
import { createSimulationMachine } from "../../src/cli/simulation-machine.ts";
import type { NodeEvent } from "../../src/core/events/events.ts";
import { epochMs, monotonicMs } from "../../src/core/units/time.ts";
import type { FileBus } from "../../src/ports/field-port.ts";
import { FakeBrokerPort } from "../../src/testing/fake-broker-port.ts";
import { FakeFileBus } from "../../src/testing/fake-file-bus.ts";
import { FakeGpioBus } from "../../src/testing/fake-gpio-bus.ts";
import { FakeSerialBus } from "../../src/testing/fake-serial-bus.ts";
import { Chance } from "../../src/testing/simulation/chance.ts";
import { Life } from "../../src/testing/simulation/life.ts";
import type { Machine } from "../../src/testing/simulation/machine.ts";
import { MachineClock } from "../../src/testing/simulation/machine-clock.ts";
import { Timeline } from "../../src/testing/simulation/timeline.ts";
import type { Received } from "../support/subscriber.ts";
import { W1_SLAVE } from "./instruments/thermometer.ts";
import { LINES, partsOf, type Wiring } from "./layout.ts";
import { type Ground, Street } from "./street.ts";

/** A little before a window begins, so that the first one is not whole. */
export const BEGAN_WALL_MS = Date.UTC(2026, 10, 26, 9, 58, 7);
/** Everything is open by then. */
const LISTENS_MS = 200;

const WIRING: Wiring = {
  path: (sensor) => `/dev/${sensor}`,
  line: (sensor, line) => `${sensor}/${line}`,
  folder: (sensor) => `/sys/bus/w1/devices/${sensor}`,
};
/** A conversion of 12 bits (data sheet: 750 ms at most). */
const READ_MS = 750;

const nodeFile = (parts: object): string =>
  stringify({
    stoep: 1,
    node: { id: "n0042", purpose: "A whole street" },
    broker: { url: "mqtts://broker.invalid", prefix: "city/test", username: "n0042", password: { env: "NONE" } },
    window: "5m",
    ...parts,
  });

/** A street on virtual time: the real runtime, drivers and stores, with fakes of the lines and the broker. */
export class VirtualStreet {
  readonly timeline = new Timeline();
  readonly street: Street;
  readonly events: NodeEvent[] = [];
  /** What went wrong in a way that nothing may. */
  readonly deaths: string[] = [];
  readonly #machine: Machine = createSimulationMachine();
  readonly #clock = new MachineClock(this.timeline, BEGAN_WALL_MS);
  readonly #serial: FakeSerialBus;
  readonly #gpio: FakeGpioBus;
  readonly #broker: FakeBrokerPort;
  readonly #devices: FakeFileBus;
  readonly #chance: Chance;
  #life: Life | null = null;

  constructor(seed: number) {
    const { timeline } = this;
    const defer = (task: () => void): void => void timeline.after(0, task);
    this.#chance = new Chance(seed);
    this.#serial = new FakeSerialBus({ defer });
    const ground: Ground = {
      nowMs: () => this.#clock.wallMs,
      poweredAtMs: this.#clock.wallMs - this.#clock.monotonicMs(),
      after: (delayMs, task) => void timeline.after(delayMs, task),
      feed: (sensor, data) => this.#serial.feed(WIRING.path(sensor), data),
      level: (sensor, line, high) => this.#gpio.set(WIRING.line(sensor, line), high),
      show: (sensor, text) => this.#devices.put(WIRING.folder(sensor), { [W1_SLAVE]: text }),
    };
    this.street = new Street(LINES, this.#chance, ground);
    const lines = this.street.contacts.flatMap((id) => (this.street.contact(id)?.lines ?? []).map((line) => WIRING.line(id, line)));
    this.#gpio = new FakeGpioBus(Object.fromEntries(lines.map((line) => [line, true])), { defer });
    for (const id of this.street.serial) this.#serial.plug(WIRING.path(id));
    const clock = worldClock(timeline);
    this.#broker = new FakeBrokerPort({ clock });
    this.#devices = new FakeFileBus({ clock, readMs: READ_MS });
    for (const id of this.street.files) this.#devices.put(WIRING.folder(id), { [W1_SLAVE]: "" });
  }

  /** All that the broker has got, as a subscriber would have it. */
  get messages(): readonly Received[] {
    return this.#broker.received.map(({ topic, payload, retain, at }) => {
      return { topic, payload: Buffer.from(payload), retain, properties: undefined, atMs: at };
    });
  }

  get life(): Life {
    if (this.#life === null) throw new Error("it was not begun");
    return this.#life;
  }

  /** Starts the node, and has the street begin once everything is open. */
  async begin(): Promise<void> {
    const { street, timeline } = this;
    this.#life = new Life({
      plan: await this.#machine.plan(nodeFile(partsOf(street, WIRING))),
      machine: this.#machine,
      clock: this.#clock,
      serial: this.#serial,
      gpio: this.#gpio,
      broker: this.#broker,
      noise: this.#chance.of("noise"),
      jitter: this.#chance.of("jitter"),
      spoil: (world) => ({ ...world, modbus: createModbusCodec(), files: this.#files() }),
      statement: () => "done",
      isRandomnessGone: () => false,
      opened: () => undefined,
      event: (event) => this.#hear(event),
      told: (sensor, { type }) => (type === "opened" ? street.opened(sensor) : type === "closed" ? street.closed(sensor) : undefined),
      wrote: (path, data) => street.heard(path.slice("/dev/".length), data),
      links: () => undefined,
      drawn: () => undefined,
      died: (error) => void this.deaths.push(String(error)),
    });
    this.#life.begin().catch((error: unknown) => this.deaths.push(String(error)));
    await timeline.runUntil(LISTENS_MS);
    street.begin();
  }

  /** Files of which the street hears when they were opened and read. */
  #files(): FileBus {
    const { street } = this;
    return {
      open: (path, listener) => {
        const sensor = path.slice(path.lastIndexOf("/") + 1);
        return this.#devices.open(path, (event) => {
          if (event.type === "opened") street.opened(sensor);
          if (event.type === "reply") street.read(sensor);
          listener(event);
        });
      },
    };
  }

  /** Of a unit the port is told of as an event only: the line is that of the bus. */
  #hear(event: NodeEvent): void {
    this.events.push(event);
    if (event.type === "SensorOpened" && this.street.unit(event.sensor) !== null) this.street.opened(event.sensor);
  }

  unplug(sensor: string): void {
    this.#serial.unplug(WIRING.path(sensor));
  }

  plug(sensor: string): void {
    this.#serial.plug(WIRING.path(sensor));
  }

  /** Lets time go on to an instant of the wall clock. */
  async until(wallMs: number): Promise<void> {
    await this.timeline.runUntil(wallMs - BEGAN_WALL_MS);
  }

  remove(): void {
    this.#life?.end();
    this.#machine.bury();
    this.#machine.remove();
  }
}

const worldClock = (timeline: Timeline) => ({
  bootId: "world",
  monotonicMs: () => monotonicMs(timeline.nowMs),
  monotonicNs: () => BigInt(timeline.nowMs) * 1_000_000n,
  wallMs: () => epochMs(timeline.nowMs),
  testimonies: () => Promise.resolve([]),
  after: (delayMs: number, task: () => void) => timeline.after(delayMs, task),
  breathe: () => Promise.resolve(),
});
