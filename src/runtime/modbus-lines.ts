import type { PortPlan } from "../config/plan.ts";
import { assert } from "../core/assert.ts";
import { BusCounters, type StrayReason } from "../core/events/bus-counters.ts";
import { AnswerCutter, type AnswerSink, lineTiming, type RegisterRange } from "../core/framing/modbus-rtu.ts";
import {
  type Bus,
  CLOSED_BUS,
  type ModbusEffect,
  type ModbusEvent,
  type Question,
  stepModbus,
  wakeAtMs,
} from "../core/machine/modbus-bus.ts";
import type { RequestBody } from "../core/units/port.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AskedPort, FieldPort, PortEvent, PortListener } from "../ports/field-port.ts";
import type { Judgement, ModbusCodec } from "../ports/modbus.ts";
import type { SerialClaims } from "./serial-claims.ts";

export interface ModbusWorld {
  readonly clock: Clock;
  readonly serial: SerialClaims;
  /** null: no sensor is on a bus. */
  codec(): ModbusCodec | null;
}

/** What leads to a unit: its bus, by name, and the line of that. */
export type UnitPort = Omit<Extract<PortPlan, { readonly is: "modbus" }>, "is">;

/** How a bus is, for those who stand before it. */
export interface LocalBus {
  readonly path: string;
  readonly isOpen: boolean;
  /** Those that a sensor is attached to now. */
  readonly units: readonly number[];
  readonly counters: BusCounters;
}

/** The buses of a node. A line is open for as long as somebody is attached to it. */
export class ModbusLines {
  readonly #world: ModbusWorld;
  readonly #lines = new Map<string, ModbusLine>();

  constructor(world: ModbusWorld) {
    this.#world = world;
  }

  /** Attaches a sensor to its unit. `opened` or `closed` follows, never from within the call. */
  attach(port: UnitPort, listener: PortListener): AskedPort {
    const codec = this.#world.codec();
    assert(codec !== null, "a node with units has Modbus");
    let line = this.#lines.get(port.bus);
    if (line === undefined) {
      line = new ModbusLine(port.bus, this.#world, codec);
      this.#lines.set(port.bus, line);
    }
    return line.attach(port, listener);
  }

  /** By name of bus: those that were ever used in this run. */
  report(): Readonly<Record<string, LocalBus>> {
    return Object.fromEntries([...this.#lines].map(([name, line]) => [name, line.report()]));
  }
}

type Heard = ModbusEvent extends infer Event ? (Event extends ModbusEvent ? Omit<Event, "atMs"> : never) : never;

/** One serial line with units: performs what `core/machine/modbus-bus.ts` decides. */
class ModbusLine implements AnswerSink {
  readonly #name: string;
  readonly #world: ModbusWorld;
  readonly #codec: ModbusCodec;
  readonly #counters = new BusCounters();
  readonly #cutter = new AnswerCutter();
  #bus: Bus = CLOSED_BUS;
  #units = new Map<number, Unit>();
  #path = "";
  #port: FieldPort | null = null;
  /** Counts openings, so that an event of an older one is known. */
  #number = 0;
  /** What the port says of itself while it is open. */
  #opened: Extract<PortEvent, { type: "opened" }> | null = null;
  #reply: Uint8Array = new Uint8Array();
  #replyBytes = 0;
  #cancelWake: Cancel | null = null;
  /** Steps that wait for the one that is being performed. */
  readonly #queue: Heard[] = [];
  #isStepping = false;

  constructor(name: string, world: ModbusWorld, codec: ModbusCodec) {
    this.#name = name;
    this.#world = world;
    this.#codec = codec;
  }

  report(): LocalBus {
    const units = [...this.#units.keys()].toSorted((a, b) => a - b);
    return { path: this.#path, isOpen: this.#opened !== null, units, counters: this.#counters };
  }

  attach({ unit, path, settings }: UnitPort, listener: PortListener): AskedPort {
    assert(!this.#units.has(unit), "a unit has one sensor");
    const handle = new Unit(listener, {
      ask: (tag, registers, timeoutMs) => {
        this.#world.clock.after(0, () => {
          if (this.#units.get(unit) === handle) this.#step({ type: "ask", question: { unit, tag, registers, timeoutMs } });
        });
      },
      refuse: (tag) => void this.#world.clock.after(0, () => handle.tell({ type: "noReply", tag, reason: "exception" })),
      leave: () => this.#leave(unit, handle),
    });
    this.#units.set(unit, handle);
    if (this.#port === null) this.#open(path, settings);
    else if (this.#opened !== null) {
      const { settings: opened } = this.#opened;
      this.#world.clock.after(0, () => {
        if (this.#opened !== null && this.#units.get(unit) === handle) this.#join(unit, handle, { type: "opened", settings: opened });
      });
    }
    return handle;
  }

  #join(unit: number, handle: Unit, opened: PortEvent): void {
    this.#step({ type: "attach", unit });
    handle.tell(opened);
  }

  #leave(unit: number, handle: Unit): void {
    if (this.#units.get(unit) !== handle) return;
    this.#units.delete(unit);
    if (this.#bus.exchange?.question.unit === unit && !this.#bus.exchange.orphan && this.#bus.exchange.sent) this.#counters.abandoned++;
    this.#step({ type: "detach", unit });
    // The last one closes the line, at once: whoever is started next may need it for something else.
    if (this.#units.size === 0) this.#close();
  }

  #open(path: string, settings: UnitPort["settings"]): void {
    this.#number++;
    const number = this.#number;
    this.#path = path;
    this.#port = this.#world.serial.open(`bus ${this.#name}`, path, settings, (event) => {
      if (number === this.#number) this.#hear(event, settings);
    });
  }

  #hear(event: PortEvent, settings: UnitPort["settings"]): void {
    switch (event.type) {
      case "opened":
        this.#opened = event;
        this.#counters.opened++;
        this.#step({ type: "opened", line: lineTiming(settings) });
        for (const [unit, handle] of [...this.#units]) this.#join(unit, handle, event);
        return;
      case "bytes":
        this.#counters.bytes += event.data.byteLength;
        this.#step({ type: "heard" });
        this.#cutter.push(event.data, this);
        return;
      case "closed":
        this.#port = null;
        return this.#ended(event);
      default:
        return;
    }
  }

  /** A frame whose checksum is right. */
  frame(data: Uint8Array): void {
    const unit = data[0] ?? 0;
    const { exchange, units } = this.#bus;
    const owes = units.get(unit)?.owes ?? false;
    if (exchange === null || !exchange.sent || (unit !== exchange.question.unit && owes)) {
      return this.#strayed(unit, owes ? "late" : "unasked", data.byteLength);
    }
    const judgement: Judgement = this.#codec.judge(data, exchange.question.unit, exchange.question.registers);
    if (judgement.is === "stray") return this.#strayed(unit, judgement.reason, data.byteLength);
    this.#counters.usedBytes += data.byteLength;
    this.#replyBytes = data.byteLength;
    if (judgement.is === "reply") this.#reply = judgement.data;
    if (!exchange.orphan) this.#counters[judgement.is === "reply" ? "replies" : "exceptions"]++;
    this.#step({ type: "answered", code: judgement.is === "reply" ? null : judgement.code });
  }

  discard(reason: StrayReason, byteCount: number): void {
    this.#counters.discard(reason, byteCount);
  }

  #strayed(unit: number, reason: StrayReason, byteCount: number): void {
    this.#counters.discard(reason, byteCount);
    this.#step({ type: "stray", unit });
  }

  /** One step at a time: what is done for one may bring the next. */
  #step(event: Heard): void {
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { bus, effects } = stepModbus(this.#bus, { ...next, atMs: this.#world.clock.monotonicMs() });
        this.#bus = bus;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#isStepping = false;
    }
    this.#wake();
  }

  #perform(effect: ModbusEffect): void {
    switch (effect.type) {
      case "send":
        return this.#send(effect.question);
      case "reply": {
        const data = this.#reply;
        this.#tell(effect.question, { type: "reply", tag: effect.question.tag, data, byteCount: this.#replyBytes });
        data.fill(0);
        return;
      }
      case "noReply": {
        const { question, reason, code } = effect;
        if (reason === "timeout") this.#counters.timeouts++;
        if (reason === "busy") this.#counters.refused++;
        return this.#tell(question, { type: "noReply", tag: question.tag, reason, ...(code === undefined ? {} : { code }) });
      }
      case "restart":
        this.#world.clock.after(0, () => this.#restart());
    }
  }

  #send({ unit, registers }: Question): void {
    const frame = this.#codec.question(unit, registers);
    this.#counters.questions++;
    this.#cutter.asked(frame, registers, this);
    this.#port?.write(frame);
  }

  #tell({ unit }: Question, event: PortEvent): void {
    this.#units.get(unit)?.tell(event);
  }

  #wake(): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
    const atMs = wakeAtMs(this.#bus);
    if (atMs === null) return;
    const delayMs = Math.max(0, atMs - this.#world.clock.monotonicMs());
    this.#cancelWake = this.#world.clock.after(delayMs, () => this.#step({ type: "due" }));
  }

  /** Nobody answers, for long: perhaps the adapter hangs. The sensors open the line again. */
  #restart(): void {
    if (this.#opened === null) return;
    this.#close();
    const detail = `no unit of bus ${this.#name} answers`;
    this.#ended({
      type: "closed",
      code: "io",
      detail,
      remedy: "check the wires A and B, the power of the units, and baud and parity of the bus",
    });
  }

  #close(): void {
    this.#number++;
    this.#port?.close();
    this.#port = null;
    this.#over();
  }

  /** The line is gone: everybody attached is told, and attaches again. */
  #ended(closed: PortEvent): void {
    this.#over();
    const units = [...this.#units.values()];
    this.#units = new Map();
    for (const unit of units) unit.tell(closed);
  }

  #over(): void {
    const { exchange } = this.#bus;
    if (exchange?.sent && !exchange.orphan) this.#counters.abandoned++;
    this.#opened = null;
    this.#cutter.reset(this);
    this.#step({ type: "closed" });
  }
}

interface UnitActions {
  ask(tag: string, registers: RegisterRange, timeoutMs: number): void;
  /** Of something that is no question of Modbus. */
  refuse(tag: string): void;
  leave(): void;
}

/** A sensor's end of the bus. */
class Unit implements AskedPort {
  readonly #actions: UnitActions;
  readonly #listener: PortListener;
  #isOver = false;

  constructor(listener: PortListener, actions: UnitActions) {
    this.#listener = listener;
    this.#actions = actions;
  }

  tell(event: PortEvent): void {
    if (this.#isOver) return;
    if (event.type === "closed") this.#isOver = true;
    this.#listener(event);
  }

  request(tag: string, body: RequestBody, timeoutMs: number): void {
    if (this.#isOver) return;
    if ("registers" in body) this.#actions.ask(tag, body.registers, timeoutMs);
    else this.#actions.refuse(tag);
  }

  /** A bus is spoken to by requests only: what one sensor writes would run into the answer of another. */
  write(): void {}

  signal(): void {}

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#actions.leave();
  }
}
