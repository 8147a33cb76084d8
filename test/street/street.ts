import type { Chance, Dice } from "../../src/testing/simulation/chance.ts";
import { Contact } from "./instruments/contacts.ts";
import type { Instrument, Said, Truth, Utterance } from "./instruments/instrument.ts";
import { ModbusBus, type ModbusUnit } from "./instruments/modbus.ts";
import { Ds18b20, type Shown } from "./instruments/thermometer.ts";
import { StreetLog } from "./street-log.ts";

/** What is wrong with a line, besides that it tears what is said into pieces. */
export interface Disturbance {
  /** Bytes that come in between; no byte of them may look like the head of a frame. */
  readonly between?: (dice: Dice) => readonly number[];
  /** So many utterances of a hundred have one bit turned round: the checksum finds it, and what they mean is lost. */
  readonly bitFlips?: number;
}

/** Name of the line that several share. */
export const BUS = "rs485-1";

/** What is known of any sensor, whatever line it is on. */
export interface Thing {
  readonly driver: string;
  readonly truths: Readonly<Record<string, Truth>>;
  readonly slowestMs?: number;
}

/** One thing on the street. */
export interface Sensor {
  readonly id: string;
  make(dice: Dice): Instrument | Contact | Ds18b20;
  /** Windows of its streams of the environment, where they are not as long as those of the others. Seconds. */
  readonly windowSeconds?: number;
  readonly disturbance?: Disturbance;
}

/** Where a street is: on virtual time and fakes, or on real lines. */
export interface Ground {
  /** Wall time. */
  nowMs(): number;
  /** Wall time at which the machine was switched on, and the instruments with it. */
  readonly poweredAtMs: number;
  after(delayMs: number, task: () => void): void;
  /** False: nobody listens, and the bytes are lost. */
  feed(sensor: string, data: Uint8Array): boolean;
  /** `atMs`: when it happens, by the kernel's stamp; the call comes at that time or a little later. */
  level(sensor: string, line: string, high: boolean, atMs: number): void;
  /** What stands in the file of a sensor from now on. */
  show(sensor: string, text: string): void;
}

/** The longest that the two pieces of one utterance are apart. */
const PIECE_GAP_MS_MAX = 25;
/** How long an instrument thinks before it answers. */
const ANSWER_MS = { least: 8, most: 60 } as const;
/** So many utterances of a hundred come together with the next one: buffers on the way merge what was said. */
const MERGED_PERCENT = 4;
/** Closures of an anemometer are never at the instant at which an interval ends: in virtual time both are at whole milliseconds. */
const GRID_MS = 10;
const OFF_GRID_MS = 5;

/** What the log keeps of each closure of an anemometer, of which the node makes values. */
export const CLOSURE: Said = { channel: "closures", steps: 1 };

/** What stands in a file before the kernel has asked its device. */
const NOTHING: Shown = { text: "", means: [] };

/** What the log keeps of each text of a file, which the node reads when it wants to. */
export const SHOWN: Said = { channel: "shown", steps: 0 };

interface Line {
  readonly id: string;
  readonly instrument: Instrument;
  readonly disturbance: Disturbance;
  readonly dice: Dice;
  /** Up to when the line is in use by what is being said. */
  busyToMs: number;
  /** Counts openings of the port: what was torn by one means nothing. */
  opening: number;
  held: Utterance | null;
  /** What is still to be done, in this order. */
  readonly queue: (() => void)[];
  /** It hears no questions, as with a loose wire. */
  isDeaf: boolean;
}

interface Pulse {
  readonly id: string;
  readonly contact: Contact;
  closures: number;
  readonly queue: (() => void)[];
}

/** Everything that hangs on the street: it says what it says, and a log is kept of what it means. */
export class Street {
  readonly log = new StreetLog();
  /** When the port of each sensor was opened last. */
  readonly openedMs = new Map<string, number>();
  /** When the port of a sensor was opened again. Before the last time, nobody can say here how long it was open. */
  readonly reopenedMs = new Map<string, readonly number[]>();
  readonly #ground: Ground;
  readonly #lines = new Map<string, Line>();
  readonly #pulses = new Map<string, Pulse>();
  readonly #files = new Map<string, { readonly thermometer: Ds18b20; shown: Shown }>();
  readonly #units = new Map<string, ModbusUnit>();
  #isOver = false;

  constructor(sensors: readonly Sensor[], chance: Chance, ground: Ground) {
    this.#ground = ground;
    for (const { id, make, disturbance = {} } of sensors) {
      const thing = make(chance.of(`${id} content`));
      if (thing instanceof Ds18b20) this.#files.set(id, { thermometer: thing, shown: NOTHING });
      else if (thing instanceof Contact) this.#pulses.set(id, { id, contact: thing, closures: 0, queue: [] });
      else {
        if (thing instanceof ModbusBus) for (const unit of thing.units) this.#units.set(unit.id, unit);
        if (thing.warmMs > 0) thing.warmUntilMs = ground.poweredAtMs + thing.warmMs;
        const dice = chance.of(`${id} line`);
        this.#lines.set(id, { id, instrument: thing, disturbance, dice, busyToMs: 0, opening: 0, held: null, queue: [], isDeaf: false });
      }
    }
  }

  instrument(sensor: string): Instrument | null {
    return this.#lines.get(sensor)?.instrument ?? null;
  }

  contact(sensor: string): Contact | null {
    return this.#pulses.get(sensor)?.contact ?? null;
  }

  /** A unit of the bus, by the name of its sensor. */
  unit(sensor: string): ModbusUnit | null {
    return this.#units.get(sensor) ?? null;
  }

  get units(): readonly string[] {
    return [...this.#units.keys()];
  }

  /** What a sensor is read with, and what is published of it. Null: it is not on this street. */
  thing(sensor: string): Thing | null {
    const unit = this.#units.get(sensor);
    const bus = this.#lines.get(BUS)?.instrument;
    if (unit !== undefined && bus !== undefined) return { driver: bus.driver, truths: unit.truths, slowestMs: bus.slowestMs };
    const alone = this.instrument(sensor);
    return alone ?? this.contact(sensor) ?? this.thermometer(sensor);
  }

  thermometer(sensor: string): Ds18b20 | null {
    return this.#files.get(sensor)?.thermometer ?? null;
  }

  /** Sensors that the kernel shows as files. */
  get files(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Serial lines, that of the bus among them. */
  get serial(): readonly string[] {
    return [...this.#lines.keys()];
  }

  get contacts(): readonly string[] {
    return [...this.#pulses.keys()];
  }

  /** From now on they speak by themselves. What they are asked they answer from the start. */
  begin(): void {
    for (const line of this.#lines.values()) this.#speakLater(line);
    for (const id of this.#files.keys()) this.#show(id);
    for (const pulse of this.#pulses.values()) this.#happenLater(pulse);
  }

  end(): void {
    this.#isOver = true;
  }

  /** The node has opened the port of a sensor. */
  opened(sensor: string): void {
    const nowMs = this.#ground.nowMs();
    if (this.openedMs.has(sensor)) this.reopenedMs.set(sensor, [...(this.reopenedMs.get(sensor) ?? []), nowMs]);
    this.openedMs.set(sensor, nowMs);
    const line = this.#lines.get(sensor);
    const pulse = this.#pulses.get(sensor);
    if (line !== undefined) line.opening++;
    line?.instrument.opened(nowMs);
    if (pulse === undefined) return;
    const { first, intervalMs } = pulse.contact;
    if (first !== null) this.log.add(sensor, first, nowMs, false);
    if (intervalMs !== null) this.#countLater(pulse, intervalMs);
  }

  /** The port is not open any more. */
  closed(sensor: string): void {
    const line = this.#lines.get(sensor);
    if (line !== undefined) line.opening++;
  }

  /** The node has read the file of a sensor. */
  read(sensor: string): void {
    for (const one of this.#files.get(sensor)?.shown.means ?? []) this.log.add(sensor, one, this.#ground.nowMs(), false);
  }

  /** The node wrote something to a sensor. */
  heard(sensor: string, data: Uint8Array): void {
    const line = this.#lines.get(sensor);
    if (line === undefined || line.isDeaf || this.#isOver) return;
    for (const answer of line.instrument.hear(data, this.#ground.nowMs())) {
      const say = (): void => this.#say(line, [garbled(answer, line)], line.dice.between(ANSWER_MS.least, ANSWER_MS.most));
      // Until a late answer comes, the line is free for others.
      if (answer.afterMs === undefined) say();
      else this.#ground.after(answer.afterMs, say);
    }
  }

  /** A sensor does not hear questions for a while. */
  deafen(sensor: string, isDeaf: boolean): void {
    const line = this.#lines.get(sensor);
    if (line !== undefined) line.isDeaf = isDeaf;
  }

  #show(id: string): void {
    const file = this.#files.get(id);
    if (file === undefined || this.#isOver) return;
    file.shown = file.thermometer.next();
    this.#ground.show(id, file.shown.text);
    for (const { steps } of file.shown.means) this.log.add(id, { ...SHOWN, steps }, this.#ground.nowMs(), false);
    this.#ground.after(file.thermometer.waitMs(), () => this.#show(id));
  }

  #speakLater(line: Line): void {
    const waitMs = line.instrument.waitMs();
    if (waitMs === null) return;
    this.#ground.after(waitMs, () => {
      if (this.#isOver) return;
      const next = garbled(line.instrument.next(this.#ground.nowMs()), line);
      if (line.held === null && line.dice.percent(MERGED_PERCENT)) line.held = next;
      else {
        this.#say(line, line.held === null ? [next] : [line.held, next], 0);
        line.held = null;
      }
      this.#speakLater(line);
    });
  }

  /** What is said together goes out in one piece or two; each utterance is told with the piece that its last byte is in. */
  #say(line: Line, said: readonly Utterance[], afterMs: number): void {
    const { dice, disturbance } = line;
    const bytes = [...(disturbance.between?.(dice) ?? [])];
    const parts = said.map((one) => {
      bytes.push(...one.bytes);
      return { end: bytes.length, means: one.means };
    });
    const data = Uint8Array.from(bytes);
    const cut = dice.percent(50) ? dice.between(1, data.length) : data.length;
    const nowMs = this.#ground.nowMs();
    const fromMs = Math.max(nowMs + afterMs, line.busyToMs);
    const gapMs = cut < data.length ? dice.between(1, PIECE_GAP_MS_MAX) : 0;
    line.busyToMs = fromMs + gapMs;
    let opening = -1;
    const feed = (from: number, to: number): void => {
      const isHeard = this.#ground.feed(line.id, data.subarray(from, to));
      if (from === 0) opening = isHeard ? line.opening : -1;
      if (!isHeard || opening !== line.opening) return;
      for (const { end, means } of parts) if (end > from && end <= to) this.#note(line, means);
    };
    this.#inOrder(line, fromMs - nowMs, () => feed(0, cut));
    if (cut < data.length) this.#inOrder(line, fromMs + gapMs - nowMs, () => feed(cut, data.length));
  }

  /** Timers of a real machine may be out of order when it is late; what happens on one line is not. */
  #inOrder({ queue }: Pick<Line, "queue">, delayMs: number, task: () => void): void {
    queue.push(task);
    this.#ground.after(delayMs, () => queue.shift()?.());
  }

  #note({ id, instrument }: Line, means: readonly Said[]): void {
    const nowMs = this.#ground.nowMs();
    for (const one of means) this.log.add(one.sensor ?? id, one, nowMs, nowMs < instrument.warmUntilMs);
  }

  #happenLater(pulse: Pulse): void {
    const { id, contact } = pulse;
    const nowMs = this.#ground.nowMs();
    const atMs = nowMs + contact.waitMs();
    const delayMs = contact.intervalMs === null ? atMs - nowMs : Math.ceil(atMs / GRID_MS) * GRID_MS + OFF_GRID_MS - nowMs;
    this.#ground.after(delayMs, () => {
      if (this.#isOver) return;
      const happensMs = this.#ground.nowMs();
      const { moves, means, meansAfterMs } = contact.next();
      if (meansAfterMs === 0) this.#noteOf(pulse, means, happensMs);
      else this.#ground.after(meansAfterMs, () => this.#noteOf(pulse, means, happensMs + meansAfterMs));
      for (const { afterMs, line, high } of moves) {
        if (afterMs === 0) this.#ground.level(id, line, high, happensMs);
        else this.#inOrder(pulse, afterMs, () => this.#ground.level(id, line, high, happensMs + afterMs));
      }
      this.#happenLater(pulse);
    });
  }

  #noteOf(pulse: Pulse, means: readonly Said[], atMs: number): void {
    pulse.closures++;
    if (pulse.contact.intervalMs !== null) this.log.add(pulse.id, CLOSURE, atMs, false);
    for (const one of means) this.log.add(pulse.id, one, atMs, false);
  }

  /** The values of an anemometer, made of the closures of each interval since the port was opened. */
  #countLater(pulse: Pulse, intervalMs: number): void {
    const before = pulse.closures;
    this.#ground.after(intervalMs, () => {
      if (this.#isOver) return;
      for (const one of pulse.contact.ofInterval(pulse.closures - before)) this.log.add(pulse.id, one, this.#ground.nowMs(), false);
      this.#countLater(pulse, intervalMs);
    });
  }
}

/** Some have one bit turned round: then they mean nothing. */
function garbled(whole: Utterance, { dice, disturbance }: Line): Utterance {
  if (!dice.percent(disturbance.bitFlips ?? 0)) return whole;
  const { bytes } = whole;
  const at = dice.below(bytes.length);
  return { bytes: bytes.map((byte, index) => (index === at ? byte ^ (1 << dice.below(8)) : byte)), means: [] };
}
