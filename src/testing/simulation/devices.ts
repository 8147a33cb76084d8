import type { Dice } from "./chance.ts";
import type { DeviceName } from "./scenario.ts";

/** One thing that an instrument says at once: its bytes, and what they mean by its manual. */
export interface Utterance {
  readonly bytes: Uint8Array;
  /** Values by name of channel. A passage is a 1 of `passages`. */
  readonly means: Readonly<Record<string, number>>;
}

/** An instrument on a serial line, as its manual describes it. Written apart from the drivers, from the same manuals. */
export interface Instrument {
  readonly sensor: string;
  readonly path: string;
  readonly isOfPeople: boolean;
  /** How long after each opening what it says does not count, as its driver declares; absent: it always does. */
  readonly warmUpMs?: number;
  /** A value after a longer pause stands for no time before it; absent: the open port vouches for the time. */
  readonly rhythmMs?: number;
  /** How long until it says the next thing. */
  waitMs(dice: Dice): number;
  next(dice: Dice): Utterance;
  /** What it answers to a write, or null. */
  answer(written: Uint8Array): Uint8Array | null;
  /** A byte that cannot stand where `byte` stood. */
  garble(byte: number, dice: Dice): number;
}

/** A contact on a GPIO line. */
export interface Contact {
  readonly sensor: string;
  readonly channel: string;
  readonly line: string;
  readonly isOfPeople: boolean;
  readonly perPulse: number;
  readonly meanMs: number;
}

const encoder = new TextEncoder();
const flipped = (byte: number, dice: Dice): number => byte ^ (1 << dice.below(8));

/** Number that a till says came in, nonsense as it is, so that it is found wherever it stands; the bound makes 1 of it. */
export const TILL_CANARY = "7351.094827163";
/** A speed with digits that no released number has. */
export const SPEED_CANARY = "61.372948";

/** SDS011, by its protocol V1.3: `AA C0`, two little-endian words in tenths, the id, sum of bytes 2 to 7, `AB`. */
const sds011: Instrument = {
  warmUpMs: 30_000,
  rhythmMs: 3 * 1_000,
  sensor: "air-1",
  path: "/dev/air",
  isOfPeople: false,
  waitMs: (dice) => dice.between(950, 1_450),
  next: (dice) => {
    // No byte of a value is a head or a tail: a torn frame must not look whole.
    const tenths = (): number => (dice.between(0, 3) << 8) | dice.between(1, 160);
    const [pm25, pm10] = [tenths(), tenths()];
    const data = [pm25 & 0xff, pm25 >> 8, pm10 & 0xff, pm10 >> 8, 0x11, 0x22];
    const sum = data.reduce((total, byte) => total + byte, 0) & 0xff;
    return { bytes: Uint8Array.from([0xaa, 0xc0, ...data, sum, 0xab]), means: { pm25: pm25 / 10, pm10: pm10 / 10 } };
  },
  answer: () => null,
  garble: flipped,
};

/** PMS5003, by its manual V2.3: `42 4D`, length 28, 13 big-endian words, the sum of all before it. */
const pms5003: Instrument = {
  warmUpMs: 30_000,
  rhythmMs: 3 * 2_300,
  sensor: "dust-1",
  path: "/dev/dust",
  isOfPeople: false,
  waitMs: (dice) => dice.between(2_200, 2_400),
  next: (dice) => {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 0x424d);
    view.setUint16(2, 28);
    for (let at = 4; at < 30; at += 2) view.setUint16(at, dice.between(1, 900));
    view.setUint16(
      30,
      bytes.subarray(0, 30).reduce((sum, byte) => sum + byte, 0),
    );
    return { bytes, means: { pm1: view.getUint16(10), pm10: view.getUint16(14) } };
  },
  answer: () => null,
  garble: flipped,
};

/** A sound level meter that prints JSON, every few seconds. 0xFF is no UTF-8: no digit becomes another digit. */
const sound: Instrument = {
  sensor: "sound-1",
  path: "/dev/sound",
  isOfPeople: false,
  waitMs: (dice) => dice.between(7_000, 9_500),
  next: (dice) => {
    const [level, warmth] = [dice.between(350, 990) / 10, dice.between(-99, 399) / 10];
    return { bytes: encoder.encode(`{"laeq":${level},"air":{"t":${warmth}}}\n`), means: { level, warmth } };
  },
  answer: () => null,
  garble: () => 0xff,
};

const till: Instrument = {
  sensor: "till-1",
  path: "/dev/till",
  isOfPeople: true,
  waitMs: (dice) => dice.wait(30_000),
  next: () => ({ bytes: encoder.encode(`{"people":{"in":${TILL_CANARY}}}\n`), means: { entries: 1 } }),
  answer: () => null,
  garble: () => 0xff,
};

/** OPS243: a line for each look at an object (AN-010). Passages are further apart than its hold-off of 1 s. */
const ops243: Instrument = {
  sensor: "gate-1",
  path: "/dev/gate",
  isOfPeople: true,
  waitMs: (dice) => 1_500 + dice.wait(12_000),
  next: (dice) => {
    const direction = dice.pick(["inbound", "outbound"]);
    return { bytes: encoder.encode(`{"unit":"kmph","speed":"${SPEED_CANARY}","direction":"${direction}"}\r\n`), means: { passages: 1 } };
  },
  answer: (written) => {
    const text = new TextDecoder().decode(written);
    if (text === "UK") return encoder.encode('{"Units":"km-per-hr"}\r\n');
    return text === "??" ? encoder.encode('{"Product":"OPS243"}\r\n') : null;
  },
  garble: () => 0xff,
};

const INSTRUMENTS: Readonly<Partial<Record<DeviceName, Instrument>>> = { sds011, pms5003, sound, till, ops243 };

/** 0.2794 mm a tip of the bucket (SEN-15901). */
const CONTACTS: Readonly<Partial<Record<DeviceName, Contact>>> = {
  rain: { sensor: "rain-1", channel: "rainfall", line: "GPIO17", isOfPeople: false, perPulse: 0.2794, meanMs: 8_000 },
  door: { sensor: "door-1", channel: "entries", line: "GPIO27", isOfPeople: true, perPulse: 1, meanMs: 9_000 },
};

export const instrumentsOf = (devices: readonly DeviceName[]): readonly Instrument[] => devices.flatMap((name) => INSTRUMENTS[name] ?? []);
export const contactsOf = (devices: readonly DeviceName[]): readonly Contact[] => devices.flatMap((name) => CONTACTS[name] ?? []);

/** The sensors of these devices, in the order of the devices' kinds: serial lines first. */
export const sensorsOf = (devices: readonly DeviceName[]): readonly string[] =>
  [...instrumentsOf(devices), ...contactsOf(devices)].map(({ sensor }) => sensor);
