import type { PortEvent } from "../../ports/field-port.ts";
import { FakeGpioBus } from "../fake-gpio-bus.ts";
import { FakeSerialBus } from "../fake-serial-bus.ts";
import type { Chance, Dice } from "./chance.ts";
import { type Contact, contactsOf, type Instrument, instrumentsOf, type Utterance } from "./devices.ts";
import type { Fault } from "./faults.ts";
import { PEOPLE_WINDOW_MS, type Scenario } from "./scenario.ts";
import { StreetLog } from "./street-log.ts";
import type { Timeline } from "./timeline.ts";

/** Around something that was told wrongly, this much may be lost or late with it: three reports of the slowest instrument. */
const BESIDE_MS = 30_000;
/** The longest that the pieces of one utterance are apart. */
const PIECE_GAP_MS_MAX = 40;
/** So many utterances of a hundred come together with the next. A merged pair must not be silence to an instrument's rhythm. */
const MERGED_PERCENT = 8;
/** Between the edges of one bouncing pulse; all are well within the debounce time of 50 ms. */
const BOUNCE_MS_MAX = 30;

/** How readings get their time. */
export interface Labeller {
  readonly boot: number;
  /** Wall time of now by the clock of this boot, or null while nobody vouches for it. */
  label(): number | null;
}

/** A piece of an utterance under way to the node. */
interface Piece {
  /** What was said whole with this piece: of an utterance the last byte is in it, and nothing before was lost. */
  readonly means: readonly Utterance["means"][];
}

interface LineState {
  readonly instrument: Instrument;
  readonly pace: Dice;
  readonly content: Dice;
  readonly cuts: Dice;
  /** Waits to be sent together with the next: buffers on the way merge what was said. */
  held: Utterance | null;
  /** Pieces that were fed and not told to the node yet. */
  underWay: Piece[];
  /** It warms up until then. */
  coldUntilMs: number;
  /** Its port was open or failed in this life of the process: from then on nobody can tell whether it has had power all the time. */
  wasInTrouble: boolean;
  isSilent: boolean;
  isGarbled: boolean;
}

interface ContactState {
  readonly contact: Contact;
  readonly pace: Dice;
  isSilent: boolean;
  bounces: boolean;
}

/** The street: instruments and contacts that say what they say whether anybody listens or not, and a log of what really arrived. */
export class Field {
  readonly serial: FakeSerialBus;
  readonly gpio: FakeGpioBus;
  /** By id of stream. */
  readonly logs = new Map<string, StreetLog>();
  #poweredAtMs = 0;
  readonly #timeline: Timeline;
  readonly #labeller: Labeller;
  readonly #isEmpty: boolean;
  readonly #lines = new Map<string, LineState>();
  readonly #contacts = new Map<string, ContactState>();
  #isOver = false;

  constructor(scenario: Scenario, chance: Chance, timeline: Timeline, labeller: Labeller) {
    this.#timeline = timeline;
    this.#labeller = labeller;
    this.#isEmpty = scenario.isEmptyStreet;
    const defer = (task: () => void): void => void timeline.after(0, task);
    this.serial = new FakeSerialBus({ defer });
    const contacts = contactsOf(scenario.devices);
    this.gpio = new FakeGpioBus(Object.fromEntries(contacts.map(({ line }) => [line, true])), { defer });
    for (const instrument of instrumentsOf(scenario.devices)) {
      const purpose = (what: string): Dice => chance.of(`${instrument.sensor} ${what}`);
      const state = { instrument, pace: purpose("pace"), content: purpose("content"), cuts: purpose("cuts") };
      this.#lines.set(instrument.sensor, {
        ...state,
        held: null,
        underWay: [],
        coldUntilMs: 0,
        wasInTrouble: false,
        isSilent: false,
        isGarbled: false,
      });
      this.serial.plug(instrument.path);
    }
    for (const contact of contacts) {
      const pace = chance.of(`${contact.sensor} pace`);
      this.#contacts.set(contact.sensor, { contact, pace, isSilent: false, bounces: false });
    }
    for (const id of streamIdsOf(scenario)) {
      const isOfPeople = /^(gate|till|door)/.test(id);
      this.logs.set(id, new StreetLog(id as StreetLog["id"], isOfPeople ? PEOPLE_WINDOW_MS : scenario.windowMs, this.#rhythmOf(id)));
    }
  }

  #rhythmOf(streamId: string): number | null {
    return this.#lines.get(streamId.split(".")[0] ?? "")?.instrument.rhythmMs ?? null;
  }

  get sensors(): readonly string[] {
    return [...this.#lines.keys(), ...this.#contacts.keys()];
  }

  isSerial(sensor: string): boolean {
    return this.#lines.has(sensor);
  }

  /** A process begins, on a machine that was switched on at this time. */
  processBegins(poweredAtMs: number): void {
    this.#poweredAtMs = poweredAtMs;
    for (const line of this.#lines.values()) line.wasInTrouble = false;
  }

  begin(): void {
    for (const state of this.#lines.values()) this.#speakLater(state);
    for (const state of this.#contacts.values()) this.#pulseLater(state);
  }

  end(): void {
    this.#isOver = true;
  }

  /** The node hears something of a port. */
  told(sensor: string, event: PortEvent): void {
    const line = this.#lines.get(sensor);
    const contact = this.#contacts.get(sensor);
    if (event.type === "opened" && line !== undefined) {
      line.underWay = [];
      line.coldUntilMs = (line.wasInTrouble ? this.#timeline.nowMs : this.#poweredAtMs) + (line.instrument.warmUpMs ?? 0);
      line.wasInTrouble = true;
    }
    if (event.type === "closed" && line !== undefined) line.wasInTrouble = true;
    if (event.type === "bytes" && line !== undefined) {
      const said = line.underWay.shift()?.means ?? [];
      // What is said while it is cold is in no statistic.
      for (const means of this.#timeline.nowMs < line.coldUntilMs ? [] : said) {
        for (const [channel, value] of Object.entries(means)) this.#note(`${sensor}.${channel}`, value);
      }
    }
    if (event.type === "edge" && contact !== undefined) this.#note(`${sensor}.${contact.contact.channel}`, contact.contact.perPulse);
  }

  wrote(path: string, data: Uint8Array): void {
    for (const { instrument, underWay } of this.#lines.values()) {
      const answer = instrument.path === path ? instrument.answer(data) : null;
      if (answer === null) continue;
      if (this.serial.feed(path, answer)) underWay.push({ means: [] });
    }
  }

  /** What this sensor says around now may be lost. Null: every sensor. */
  doubt(sensor: string | null, fromMs: number, toMs: number): void {
    for (const [id, log] of this.logs) if (sensor === null || id.startsWith(`${sensor}.`)) log.doubt(fromMs, toMs);
  }

  /** Begins a fault in the field; gives what ends it. */
  begins({ kind, sensor }: Fault): () => void {
    const line = this.#lines.get(sensor);
    const contact = this.#contacts.get(sensor);
    if (kind === "bounce" && contact !== undefined) return during((on) => (contact.bounces = on));
    if (kind === "silence" && (line ?? contact) !== undefined) return during((on) => ((line ?? (contact as ContactState)).isSilent = on));
    if (kind === "garble" && line !== undefined) return during((on) => (line.isGarbled = on));
    if (kind === "unplug") return this.#unplugs(sensor);
    if (kind === "refuse-port") return this.#refuses(sensor);
    return () => undefined;
  }

  #unplugs(sensor: string): () => void {
    const line = this.#lines.get(sensor);
    const contact = this.#contacts.get(sensor);
    this.#doubtNow(sensor);
    if (line !== undefined) {
      this.serial.unplug(line.instrument.path);
      return () => this.serial.plug(line.instrument.path);
    }
    if (contact === undefined) return () => undefined;
    this.gpio.remove(contact.contact.line);
    return () => this.gpio.add(contact.contact.line, true);
  }

  /** The open port dies, and cannot be opened again for a while. */
  #refuses(sensor: string): () => void {
    const line = this.#lines.get(sensor);
    if (line === undefined) return () => undefined;
    this.#doubtNow(sensor);
    this.serial.refuse(line.instrument.path, "permission");
    this.serial.fail(line.instrument.path, "io");
    return () => this.serial.refuse(line.instrument.path, null);
  }

  #doubtNow(sensor: string): void {
    this.doubt(sensor, this.#timeline.nowMs - BESIDE_MS, this.#timeline.nowMs + 1_000);
  }

  #note(id: string, value: number): void {
    const { boot } = this.#labeller;
    this.logs.get(id)?.add(value, this.#timeline.nowMs, boot, this.#labeller.label());
  }

  #speakLater(state: LineState): void {
    this.#timeline.after(state.instrument.waitMs(state.pace), () => {
      if (this.#isOver) return;
      const utterance = state.instrument.next(state.content);
      const isHeld = state.isSilent || (this.#isEmpty && state.instrument.isOfPeople);
      if (!isHeld) this.#say(state, utterance);
      this.#speakLater(state);
    });
  }

  /** Cuts it into pieces or merges it with the next, as serial lines do, and garbles one byte of some. */
  #say(state: LineState, utterance: Utterance): void {
    const { cuts, instrument } = state;
    if (state.held === null && !instrument.isOfPeople && cuts.percent(MERGED_PERCENT)) {
      state.held = utterance;
      return;
    }
    const whole = [...(state.held === null ? [] : [state.held]), utterance];
    state.held = null;
    const isGarbled = state.isGarbled && cuts.percent(40);
    const data = Uint8Array.from(whole.flatMap(({ bytes }) => [...bytes]));
    if (isGarbled) {
      const at = cuts.below(data.length);
      data[at] = instrument.garble(data[at] as number, cuts);
      this.doubt(instrument.sensor, this.#timeline.nowMs - BESIDE_MS, this.#timeline.nowMs + BESIDE_MS);
    }
    const ends = cuts.percent(50) ? [data.length] : [1 + cuts.below(data.length), data.length];
    this.#send(state, data, ends, whole);
  }

  /** Also what was garbled counts as said, in doubt: of a line with several fields some may still be read. */
  #send(state: LineState, data: Uint8Array, ends: readonly number[], said: readonly Utterance[]): void {
    const whole = { isLost: false };
    let from = 0;
    let waitMs = 0;
    for (const to of ends) {
      const piece = data.subarray(from, to);
      const means = saidBetween(said, from, to);
      if (piece.length > 0) this.#timeline.after(waitMs, () => this.#feed(state, piece, means, whole));
      waitMs += state.cuts.below(PIECE_GAP_MS_MAX);
      from = to;
    }
  }

  #feed(state: LineState, piece: Uint8Array, means: Piece["means"], whole: { isLost: boolean }): void {
    const isHeard = this.serial.feed(state.instrument.path, piece);
    // The port may have been opened anew between two pieces: then the rest means nothing, and may cost what follows.
    if (!isHeard) whole.isLost = true;
    else state.underWay.push({ means: whole.isLost ? [] : means });
    if (whole.isLost) this.doubt(state.instrument.sensor, this.#timeline.nowMs - PIECE_GAP_MS_MAX, this.#timeline.nowMs + BESIDE_MS);
  }

  #pulseLater(state: ContactState): void {
    const { contact, pace } = state;
    this.#timeline.after(200 + pace.wait(contact.meanMs), () => {
      if (this.#isOver) return;
      const isHeld = state.isSilent || (this.#isEmpty && contact.isOfPeople);
      const edges = state.bounces ? 1 + pace.below(4) : 1;
      for (let edge = 0; edge < edges && !isHeld; edge++) {
        this.#timeline.after((edge * BOUNCE_MS_MAX) / 4, () => {
          this.gpio.set(contact.line, false);
          this.gpio.set(contact.line, true);
        });
      }
      this.#pulseLater(state);
    });
  }
}

/** What is said whole when the bytes `[from, to)` have come. */
function saidBetween(said: readonly Utterance[], from: number, to: number): Piece["means"] {
  let end = 0;
  return said.flatMap(({ bytes, means }) => {
    end += bytes.length;
    return end > from && end <= to ? [means] : [];
  });
}

function during(set: (on: boolean) => void): () => void {
  set(true);
  return () => set(false);
}

/** Streams of which the street keeps a log. */
function streamIdsOf({ devices }: Scenario): readonly string[] {
  const ids: Readonly<Record<Scenario["devices"][number], readonly string[]>> = {
    sds011: ["air-1.pm25", "air-1.pm10"],
    pms5003: ["dust-1.pm1", "dust-1.pm10"],
    sound: ["sound-1.level", "sound-1.warmth"],
    rain: ["rain-1.rainfall"],
    ops243: ["gate-1.passages"],
    till: ["till-1.entries"],
    door: ["door-1.entries"],
  };
  return devices.flatMap((device) => ids[device]);
}
