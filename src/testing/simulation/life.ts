import type { NodePlan } from "../../config/plan.ts";
import type { NodeEvent } from "../../core/events/events.ts";
import type { Broker } from "../../ports/broker.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Crypto } from "../../ports/crypto.ts";
import type { GpioBus, GpioPort, PortEvent, SerialBus } from "../../ports/field-port.ts";
import type { LiveStore } from "../../ports/live-store.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import { Node, type World } from "../../runtime/node.ts";
import type { Dice } from "./chance.ts";
import type { Machine, OpenStores, Statement, StatementFate, StoreName } from "./machine.ts";
import type { MachineClock } from "./machine-clock.ts";

/** What a process is started into. */
export interface Surroundings {
  readonly plan: NodePlan;
  readonly machine: Machine;
  readonly clock: MachineClock;
  readonly serial: SerialBus;
  readonly gpio: GpioBus;
  readonly broker: Broker;
  readonly noise: Dice;
  readonly jitter: Dice;
  /** Parts of the world that a test replaces by broken ones: planted bugs that the simulation must find. */
  spoil(world: World): World;
  /** What the disk makes of a statement. May kill the process. */
  statement(store: StoreName, statement: Statement): StatementFate;
  isRandomnessGone(): boolean;
  opened(stores: OpenStores): void;
  event(event: NodeEvent): void;
  /** A port told the node something; before the node hears of it. */
  told(sensor: string, event: PortEvent): void;
  wrote(path: string, data: Uint8Array): void;
  links(count: number): void;
  drawn(what: string): void;
  died(error: unknown): void;
}

/**
 * One life of the node's process: the real runtime over the real stores, with everything else virtual. From the moment of its death
 * nothing of it reaches the world any more, though its code may still be running: its timers are dead, its ports and its connection
 * are gone, and every statement of SQL fails.
 */
export class Life {
  readonly #around: Surroundings;
  readonly #clock: Clock;
  readonly #ends: (() => void)[] = [];
  #isAlive = true;
  #stores: OpenStores | null = null;
  #node: Node | null = null;
  #links = 0;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#clock = around.clock.forProcess(
      () => this.#isAlive,
      (error) => around.died(error),
    );
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Null while it starts, and when it could not. */
  get node(): Node | null {
    return this.#isAlive ? this.#node : null;
  }

  get stores(): OpenStores | null {
    return this.#stores;
  }

  /** Starts like `stoep run`. Rejects when a store cannot be opened: the service manager tries again. */
  async begin(): Promise<void> {
    const { machine, plan, clock } = this.#around;
    this.#stores = await machine.open({
      disk: { step: (store, statement) => (this.#isAlive ? this.#around.statement(store, statement) : "SQLITE_IOERR_WRITE") },
      bootId: this.#clock.bootId,
      wallMs: clock.wallMs,
      randomBytes: (count) => this.#around.noise.bytes(count),
    });
    if (!this.#isAlive) return;
    this.#around.opened(this.#stores);
    const { outbox, live } = this.#stores;
    const world: World = {
      clock: this.#clock,
      crypto: this.#crypto(),
      events: { emit: (event) => this.#isAlive && this.#around.event(event) },
      scheduler: this.#scheduler(),
      serial: this.#serial(),
      gpio: this.#gpio(),
      files: { open: unplanned },
      replay: { open: unplanned },
      live,
      outbox,
      broker: this.#broker(),
      residentBytes: () => 64_000_000,
    };
    const identity = { version: "0.0.0-simulated", configRev: "00000000", bootId: this.#clock.bootId.slice(0, 8), outboxHours: 720 };
    const spoilt = this.#around.spoil(world);
    this.#node = await Node.start(plan, { ...spoilt, live: this.#watched(spoilt.live, outbox.instance) }, { identity });
  }

  /** Nothing of it reaches the world any more. */
  end(): void {
    this.#isAlive = false;
    for (const end of this.#ends.splice(0)) end();
  }

  #crypto(): Crypto {
    const { machine, noise, jitter, isRandomnessGone } = this.#around;
    const some = (count: number): Uint8Array => {
      if (isRandomnessGone()) throw new Error("simulated: no randomness");
      return noise.bytes(count);
    };
    return {
      ...machine.digests,
      fillRandom: (bytes) => bytes.set(some(bytes.length)),
      randomBytes: some,
      jitter: () => jitter.below(1_000_000) / 1_000_000,
    };
  }

  /** Knows one form: `17 * * * *`, every hour at that minute. */
  #scheduler(): Scheduler {
    return {
      every: (cron, task) => {
        const minute = Number(/^(\d+) \* \* \* \*$/.exec(cron)?.[1]);
        let cancel = (): void => undefined;
        const again = (): void => {
          const hourMs = 3_600_000;
          const waitMs = hourMs - ((this.#around.clock.wallMs - minute * 60_000) % hourMs);
          cancel = this.#clock.after(waitMs, () => void task().finally(again));
        };
        again();
        return () => cancel();
      },
    };
  }

  #serial(): SerialBus {
    const { serial, plan, told, wrote } = this.#around;
    const sensors = new Map(plan.sensors.flatMap(({ id, port }) => (port.is === "serial" ? [[port.path, id] as const] : [])));
    return {
      realPath: (path) => serial.realPath(path),
      open: (path, settings, listener) => {
        if (!this.#isAlive) return INERT;
        const port = serial.open(path, settings, (event) => {
          if (!this.#isAlive) return;
          told(sensors.get(path) ?? path, event);
          listener(event);
        });
        this.#ends.push(() => port.close());
        return {
          write: (data) => {
            if (!this.#isAlive) return;
            port.write(data);
            wrote(path, data);
          },
          signal: (name, on) => port.signal(name, on),
          close: () => port.close(),
        };
      },
    };
  }

  /** GPIO as an adapter gives it: without the bounce. */
  #gpio(): GpioBus {
    const { gpio, machine, clock, plan, told } = this.#around;
    const sensorOf = (lines: object): string =>
      plan.sensors.find(({ port }) => port.is === "gpio" && Object.values(port.lines)[0] === Object.values(lines)[0])?.id ?? "";
    return {
      probe: () => gpio.probe(),
      watch: (lines, listener) => {
        if (!this.#isAlive) return INERT;
        const sensor = sensorOf(lines);
        let ignored = 0;
        const filter = machine.debouncer(Object.values(lines)[0]?.debounceMs ?? 0);
        const port = gpio.watch(lines, (event) => {
          if (!this.#isAlive) return;
          if (event.type === "edge" && !filter(clock.monotonicMs())) {
            ignored++;
            return;
          }
          told(sensor, event);
          listener(event);
        });
        this.#ends.push(() => port.close());
        return {
          write: () => undefined,
          signal: () => undefined,
          close: () => port.close(),
          ignoredEdges: () => ignored,
        };
      },
      close: () => gpio.close(),
    };
  }

  /** What the node is told of draws, whoever tells it. Readings of another boot are others: a power cut took them, with their notes. */
  #watched(live: LiveStore, instance: string): LiveStore {
    const { bootId } = this.#clock;
    const claimDraws: LiveStore["claimDraws"] = (sensitivity, windowMs, window, streams) => {
      const claimed = live.claimDraws(sensitivity, windowMs, window, streams);
      for (const stream of streams) {
        if (this.#isAlive && !claimed.has(stream)) this.#around.drawn(`${instance} ${bootId} stream ${stream} ${windowMs}/${window}`);
      }
      return claimed;
    };
    return withMethod(live, "claimDraws", claimDraws);
  }

  #broker(): Broker {
    const { broker, links } = this.#around;
    return {
      connect: (request, listener) => {
        if (!this.#isAlive) return { publish: nothing, end: nothing, destroy: nothing };
        this.#links++;
        links(this.#links);
        const link = broker.connect(request, (event) => {
          if (event.type === "closed") this.#links--;
          if (this.#isAlive) listener(event);
        });
        this.#ends.push(() => link.destroy());
        return {
          publish: (message, token) => {
            if (this.#isAlive) link.publish(message, token);
          },
          end: () => link.end(),
          destroy: () => link.destroy(),
        };
      },
    };
  }
}

/** `real` with another method in the place of one. */
export function withMethod<T extends object, Key extends keyof T>(real: T, name: Key, method: T[Key]): T {
  return new Proxy(real, {
    get: (target, key) => {
      if (key === name) return method;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value as (...all: unknown[]) => unknown).bind(target) : value;
    },
  });
}

const nothing = (): void => undefined;
/** What the code of a dead process opens. */
const INERT: GpioPort = { write: nothing, signal: nothing, close: nothing, ignoredEdges: () => 0 };

const unplanned = (): never => {
  throw new Error("bug: nothing is replayed in a simulation");
};
