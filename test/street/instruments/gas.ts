import { crc16, Instrument, said, sumOf, truth, type Utterance, utterance, Written } from "./instrument.ts";

/** Winsen MH-Z19B, by its manual V1.6: 9 bytes each way, `FF 01 86` asks, the answer is `FF 86 HI LO …`, the check byte makes zero. */
export class Mhz19 extends Instrument {
  readonly driver = "mhz19";
  override readonly options: object;
  override readonly truths = { co2: truth("gauge", 0) };
  /** Manual: 3 min of preheating. */
  override readonly warmMs = 180_000;
  readonly #written = new Written();

  constructor(dice: ConstructorParameters<typeof Instrument>[0], options: object = {}) {
    super(dice);
    this.options = options;
  }

  /** 79 sets the self-calibration, and is not answered. */
  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.take(0xff, 9); command !== null; command = this.#written.take(0xff, 9)) {
      if (command[2] === 0x86) answers.push(this.#value());
    }
    return answers;
  }

  #value(): Utterance {
    const ppm = this.dice.between(380, 5_000);
    const body = [0x86, ppm >> 8, ppm & 0xff, this.dice.between(50, 70), this.dice.below(64), 0, this.dice.below(256)];
    return utterance([0xff, ...body, (0x100 - (sumOf(body) & 0xff)) & 0xff], [said("co2", ppm)]);
  }
}

/**
 * Senseair S8, "Modbus on S8": address FE, input registers 1 to 4 are status, alarms, output and ppm; holding register 32 is the period
 * of its self-calibration.
 */
export class SenseairS8 extends Instrument {
  readonly driver = "senseair-s8";
  override readonly options: object;
  override readonly truths = { co2: truth("gauge", 0) };
  readonly #written = new Written();
  #periodHours = 180;

  constructor(dice: ConstructorParameters<typeof Instrument>[0], options: object = {}) {
    super(dice);
    this.options = options;
  }

  /** A byte before a question only wakes it. */
  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.take(0xfe, 8); command !== null; command = this.#written.take(0xfe, 8)) {
      if (crc16(command, 0xffff) === 0) answers.push(this.#answer(command));
    }
    return answers;
  }

  #answer(command: readonly number[]): Utterance {
    const [, code = 0, high = 0, low = 0, third = 0, fourth = 0] = command;
    const register = (high << 8) | low;
    if (code === 6 && register === 0x1f) {
      this.#periodHours = (third << 8) | fourth;
      return utterance(command);
    }
    if (code === 3 && register === 0x1f) return modbus([0xfe, 3, 2, this.#periodHours >> 8, this.#periodHours & 0xff]);
    if (code !== 4 || register !== 0 || fourth !== 4) return modbus([0xfe, code | 0x80, 2]);
    const ppm = this.dice.between(380, 2_000);
    // Now and then a status bit is set: an error of the algorithm, say.
    const status = this.dice.percent(5) ? 0x04 : 0;
    return modbus([0xfe, 4, 8, 0, status, 0, 0, 0, 0, ppm >> 8, ppm & 0xff], [said("co2", ppm, status !== 0)]);
  }
}

/** Modbus over Serial Line: the sum goes with its low byte first. */
function modbus(bytes: readonly number[], means: Utterance["means"] = []): Utterance {
  const crc = crc16(bytes, 0xffff);
  return utterance([...bytes, crc & 0xff, crc >> 8], means);
}
