import type { Dice } from "../../../src/testing/simulation/chance.ts";
import { crc16, Instrument, type Said, said, type Truth, truth, type Utterance, utterance, Written } from "./instrument.ts";

/**
 * How long a unit may take to begin its answer, ms. After a question that was not answered it rests for four of them: it must be over when
 * the next one is due, or three periods are gone and it counts as silent.
 */
export const TIMEOUT_MS = 700;
/** A late answer comes after everybody gave up, and while it rests. */
const LATE_MS = 2_000;
const EVERY_SECONDS = 5;
const SLOWEST_MS = EVERY_SECONDS * 1_000;
const QUESTION_BYTES = 8;
const HOLDING = 3;
const INPUT = 4;
const SERVER_BUSY = 6;

type Words = readonly number[];

/** Sixteen bits of a number that may be below zero. */
const word = (value: number): number => value & 0xffff;
const high = (value: number): number => (value >>> 16) & 0xffff;

/** What a unit says when it is asked: all its registers, and what they mean. */
interface Answer {
  readonly words: Words;
  readonly means: readonly Said[];
}

/** What a unit does with a question. */
type Manner = "answers" | "late" | "silent" | "wrong-checksum" | "wrong-unit" | "busy" | "half";

/** One instrument on the bus, by the register map that the config gives of it. */
export interface ModbusUnit {
  readonly id: string;
  readonly unit: number;
  readonly options: object;
  readonly truths: Readonly<Record<string, Truth>>;
  /** The function by which it is read, and its first register. */
  readonly code: typeof HOLDING | typeof INPUT;
  readonly first: number;
  answer(dice: Dice): Answer;
  manner(dice: Dice): Manner;
}

const always = (): Manner => "answers";

/** Of ten questions one or two are answered in one of these ways; two in a row never, or the unit would be given up for silent. */
function spoilt(...ways: [Manner, ...Manner[]]): ModbusUnit["manner"] {
  let wasGood = false;
  return (dice) => {
    wasGood = !wasGood || dice.percent(80);
    return wasGood ? "answers" : dice.pick(ways);
  };
}

const options = (channels: object, more: object = {}): object => ({
  everySeconds: EVERY_SECONDS,
  timeoutMs: TIMEOUT_MS,
  ...more,
  channels,
});

/** A noise transmitter: tenths of a decibel in one register. */
const noise = (id: string, unit: number, manner: ModbusUnit["manner"]): ModbusUnit => ({
  ...{ id, unit, manner, code: HOLDING, first: 0 },
  options: options({ laeq: { quantity: "sound_level", address: 0, scale: 0.1, range: [30, 130], resolution: 0.1 } }),
  truths: { laeq: truth("level", 1) },
  answer: (dice) => {
    const tenths = dice.between(310, 1_190);
    return { words: [tenths], means: [said("laeq", tenths)] };
  },
});

/** A climate sensor: signed tenths of a degree, tenths of per cent, and the pressure in Pa in two registers, the high word first. */
const climate: ModbusUnit = {
  ...{ id: "bus-climate", unit: 3, manner: always, code: INPUT, first: 0 },
  options: options({
    temperature: { quantity: "temperature", table: "input", address: 0, type: "s16", scale: 0.1, range: [-40, 85], resolution: 0.1 },
    humidity: { quantity: "humidity", table: "input", address: 1, scale: 0.1, range: [0, 100], resolution: 0.1 },
    pressure: { quantity: "pressure", table: "input", address: 2, type: "u32", scale: 0.01, range: [300, 1_200], resolution: 0.01 },
  }),
  truths: { temperature: truth("gauge", 1), humidity: truth("gauge", 1), pressure: truth("gauge", 2) },
  answer: (dice) => {
    const [warm, humid, pascals] = [dice.between(-399, 849), dice.between(0, 1_000), dice.between(94_000, 106_000)];
    const means = [said("temperature", warm), said("humidity", humid), said("pressure", pascals)];
    return { words: [word(warm), humid, high(pascals), word(pascals)], means };
  },
};

/** A thermometer with a float of 32 bits, the low word first: quarters of a degree, which a float says exactly. */
const floating: ModbusUnit = {
  ...{ id: "bus-float", unit: 4, manner: always, code: HOLDING, first: 10 },
  options: options({
    temperature: { quantity: "temperature", address: 10, type: "f32", order: "cdab", range: [-100, 100], resolution: 0.01 },
  }),
  truths: { temperature: truth("gauge", 2) },
  answer: (dice) => {
    const quarters = dice.between(-120, 200);
    const view = new DataView(new ArrayBuffer(4));
    view.setFloat32(0, quarters / 4);
    return { words: [view.getUint16(2), view.getUint16(0)], means: [said("temperature", quarters * 25)] };
  },
};

/** The meter of a lighting cabinet: a running total of Wh in 32 bits. The first one is where counting begins. */
function meter(): ModbusUnit {
  let total = 70_000;
  let isTold = false;
  return {
    ...{ id: "bus-meter", unit: 5, manner: always, code: INPUT, first: 72 },
    options: options({
      import: {
        ...{ quantity: "street_lighting_energy", table: "input", address: 72, type: "u32", scale: 0.001, counts: "total" },
        ...{ range: [0, 10_000], resolution: 0.001 },
      },
    }),
    truths: { import: truth("counter", 3) },
    answer: (dice) => {
      const more = dice.between(0, 25);
      total += more;
      const means = isTold ? [said("import", more)] : [];
      isTold = true;
      return { words: [high(total), word(total)], means };
    },
  };
}

/** An anemometer: hundredths of m/s and whole degrees. Some questions it answers too late, and some not at all. */
const wind = (): ModbusUnit => ({
  ...{ id: "bus-wind", unit: 6, code: HOLDING, first: 0 },
  options: options({
    wind_speed: { quantity: "wind_speed", address: 0, scale: 0.01, range: [0, 60], resolution: 0.01 },
    wind_direction: { quantity: "wind_direction", address: 1, range: [0, 359], resolution: 1 },
  }),
  truths: { wind_speed: truth("gauge", 2), wind_direction: truth("direction", 0) },
  answer: (dice) => {
    const [speed, degrees] = [dice.between(0, 5_900), dice.between(0, 359)];
    return { words: [speed, degrees], means: [said("wind_speed", speed), said("wind_direction", degrees)] };
  },
  manner: spoilt("late", "silent"),
});

/** The eight units of the bus; the last has no power. */
export const unitsOf = (): readonly ModbusUnit[] => [
  noise("bus-noise-1", 1, always),
  noise("bus-noise-2", 2, spoilt("wrong-checksum", "wrong-unit", "half", "busy")),
  climate,
  floating,
  meter(),
  wind(),
  noise("bus-noise-3", 7, spoilt("late")),
  noise("bus-dead", 8, () => "silent"),
];

/** The unit that never answers. */
export const DEAD = "bus-dead";

/** An RS485 line with eight units, by Modbus over Serial Line V1.02: each question is answered by the unit that it is for, or is not. */
export class ModbusBus extends Instrument {
  readonly driver = "modbus";
  override readonly baud = 9_600;
  override readonly slowestMs = SLOWEST_MS;
  readonly units: readonly ModbusUnit[];
  readonly #written = new Written();

  constructor(dice: Dice, units: readonly ModbusUnit[]) {
    super(dice);
    this.units = units;
  }

  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (
      let question = this.#written.frame(QUESTION_BYTES, isSound);
      question !== null;
      question = this.#written.frame(QUESTION_BYTES, isSound)
    ) {
      const answer = this.#answer(question);
      if (answer !== null) answers.push(answer);
    }
    return answers;
  }

  #answer([number = 0, code = 0, atHigh = 0, atLow = 0, countHigh = 0, countLow = 0]: readonly number[]): Utterance | null {
    const one = this.units.find(({ unit }) => unit === number);
    const manner = one?.manner(this.dice) ?? "silent";
    if (one === undefined || manner === "silent") return null;
    if (manner === "busy") return frame([number, code | 0x80, SERVER_BUSY]);
    const { words, means } = one.answer(this.dice);
    const from = ((atHigh << 8) | atLow) - one.first;
    const asked = words.slice(from, from + ((countHigh << 8) | countLow));
    const bytes = [
      manner === "wrong-unit" ? number + 40 : number,
      code,
      2 * asked.length,
      ...asked.flatMap((each) => [each >> 8, each & 0xff]),
    ];
    const whole = frame(bytes, manner === "answers" ? means.map((each) => ({ ...each, sensor: one.id })) : []);
    if (manner === "late") return { ...whole, afterMs: LATE_MS };
    if (manner === "wrong-checksum")
      return utterance(whole.bytes.map((byte, index) => (index === whole.bytes.length - 1 ? byte ^ 1 : byte)));
    return manner === "half" ? utterance(whole.bytes.subarray(0, 3)) : whole;
  }
}

const isSound = (bytes: readonly number[]): boolean => crc16(bytes, 0xffff) === 0;

/** The checksum goes with its low byte first. */
function frame(bytes: readonly number[], means: Utterance["means"] = []): Utterance {
  const crc = crc16(bytes, 0xffff);
  return utterance([...bytes, crc & 0xff, crc >> 8], means);
}
