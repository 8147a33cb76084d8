import { Instrument, said, sumOf, truth, type Utterance, utterance, Written } from "./instrument.ts";

/** Nova SDS011, by its control protocol V1.3: frames of 10 bytes, values in tenths; commands of 19 bytes, answers of 10. */
export class Sds011 extends Instrument {
  readonly driver = "sds011";
  override readonly truths = { pm25: truth("gauge", 1), pm10: truth("gauge", 1) };
  /** Whoever makes it sleep wakes it 30 s before a value is read. */
  override readonly warmMs = 30_000;
  readonly #written = new Written();

  override waitMs(): number {
    return this.dice.between(970, 1_030);
  }

  override next(): Utterance {
    const [pm25, pm10] = [this.dice.between(1, 9_999), this.dice.between(1, 9_999)];
    return utterance(this.#frame(0xc0, [pm25 & 0xff, pm25 >> 8, pm10 & 0xff, pm10 >> 8]), [said("pm25", pm25), said("pm10", pm10)]);
  }

  /** Protocol: 2 reporting mode, 6 sleep and work, 7 firmware, 8 working period; the answer repeats what is set. */
  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.take(0xaa, 19); command !== null; command = this.#written.take(0xaa, 19)) {
      const about = command[2] ?? 0;
      const what = about === 7 ? [15, 7, 10] : [command[3] ?? 0, about === 6 ? 1 : 0, 0];
      if ([2, 6, 7, 8].includes(about)) answers.push(utterance(this.#frame(0xc5, [about, ...what])));
    }
    return answers;
  }

  #frame(kind: number, data: readonly number[]): readonly number[] {
    const body = [...data, 0xa1, 0x60];
    return [0xaa, kind, ...body, sumOf(body) & 0xff, 0xab];
  }
}

/** Plantower PMS5003, by its manual V2.3: `42 4D`, 28, thirteen words, highest byte first, and the sum of all bytes before. */
export class Pms5003 extends Instrument {
  readonly driver = "pms5003";
  override readonly truths = { pm1: truth("gauge", 0), pm25: truth("gauge", 0), pm10: truth("gauge", 0) };
  /** Manual: while values do not change, one every 2.3 s. */
  override readonly slowestMs = 2_300;
  /** Manual: stable 30 s after the fan has started. */
  override readonly warmMs = 30_000;
  readonly #written = new Written();

  /** While values change, one every 200 to 800 ms. */
  override waitMs(): number {
    return this.dice.between(500, 800);
  }

  override next(): Utterance {
    const words = Array.from({ length: 13 }, () => this.dice.between(0, 999));
    // Never all zero, which a fan that starts says.
    words[6] = this.dice.between(1, 999);
    const [, , , pm1 = 0, pm25 = 0, pm10 = 0] = words;
    return utterance(frame(words), [said("pm1", pm1), said("pm25", pm25), said("pm10", pm10)]);
  }

  /** Manual, appendix II: E1 sets the mode, and is answered by a frame of two words; E4 wakes it, without an answer. */
  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.take(0x42, 7); command !== null; command = this.#written.take(0x42, 7)) {
      if (command[2] === 0xe1) answers.push(utterance(frame([0xe1_00 | (command[4] ?? 0)])));
    }
    return answers;
  }
}

function frame(words: readonly number[]): readonly number[] {
  const length = 2 * words.length + 2;
  const bytes = [0x42, 0x4d, 0, length, ...words.flatMap((word) => [word >> 8, word & 0xff])];
  const sum = sumOf(bytes);
  return [...bytes, sum >> 8, sum & 0xff];
}

/** Datasheet: in the state byte, "command not allowed in current state". */
const NOT_ALLOWED = 0x43;
const WARM_UP_MS = 30_000;

/** Sensirion SPS30, by its datasheet: SHDLC with byte stuffing. It is silent unless asked; a new value every 1.00 ± 0.04 s. */
export class Sps30 extends Instrument {
  readonly driver = "sps30";
  override readonly truths = {
    pm1: truth("gauge", 4, 1),
    pm25: truth("gauge", 4, 1),
    pm4: truth("gauge", 4, 1),
    pm10: truth("gauge", 4, 1),
  };
  readonly #written = new Written();
  #isMeasuring: boolean;
  #nextMs = 0;

  /** `isMeasuring`: it was not switched off when the node was. */
  constructor(dice: ConstructorParameters<typeof Instrument>[0], { isMeasuring }: { readonly isMeasuring: boolean }) {
    super(dice);
    this.#isMeasuring = isMeasuring;
  }

  override hear(data: Uint8Array, nowMs: number): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let stuffed = this.#written.before(0x7e); stuffed !== null; stuffed = this.#written.before(0x7e)) {
      const command = unstuff(stuffed);
      if (command.length >= 4 && (sumOf(command) & 0xff) === 0xff) answers.push(this.#answer(command, nowMs));
    }
    return answers;
  }

  #answer([, code = 0, length = 0, first = 0, second = 0]: readonly number[], nowMs: number): Utterance {
    if (code === 0x00 && length === 2 && first === 1 && second === 3) {
      if (this.#isMeasuring) return shdlc(code, NOT_ALLOWED, []);
      this.#isMeasuring = true;
      // In clean air it takes up to 30 s until the values are right.
      this.warmUntilMs = nowMs + WARM_UP_MS;
      return shdlc(code, 0, []);
    }
    if (code === 0x03) return this.#isMeasuring ? this.#values(nowMs) : shdlc(code, NOT_ALLOWED, []);
    if (code === 0xd0) return shdlc(code, 0, [...Buffer.from("0D4F1A2B3C4D5E6F\0", "latin1")]);
    return shdlc(code, 0, code === 0xd1 ? [2, 2, 0, 7, 0, 2, 0] : []);
  }

  /** A question that comes before there is a new value is answered without data. */
  #values(nowMs: number): Utterance {
    if (nowMs < this.#nextMs) return shdlc(0x03, 0, []);
    this.#nextMs = nowMs + this.dice.between(960, 1_040) - 60;
    const steps = Array.from({ length: 4 }, () => this.dice.between(1, 4_000_000));
    const view = new DataView(new ArrayBuffer(40));
    for (const [index, value] of steps.entries()) view.setFloat32(4 * index, value / 10_000);
    for (let index = 4; index < 10; index++) view.setFloat32(4 * index, this.dice.below(1_000) / 7);
    const means = ["pm1", "pm25", "pm4", "pm10"].map((channel, index) => said(channel, steps[index] ?? 0));
    return shdlc(0x03, 0, new Uint8Array(view.buffer), means);
  }
}

/** Datasheet: 7D and the byte with bit 5 turned round, for 7E, 7D, 11 and 13. */
const STUFFED = [0x7e, 0x7d, 0x11, 0x13];

function unstuff(bytes: readonly number[]): readonly number[] {
  const plain: number[] = [];
  for (let at = 0; at < bytes.length; at++) plain.push(bytes[at] === 0x7d ? (bytes[++at] ?? 0) ^ 0x20 : (bytes[at] ?? 0));
  return plain;
}

function shdlc(code: number, state: number, data: ArrayLike<number>, means: Utterance["means"] = []): Utterance {
  const plain = [0, code, state, data.length, ...Array.from(data)];
  const whole = [...plain, ~sumOf(plain) & 0xff];
  return utterance([0x7e, ...whole.flatMap((byte) => (STUFFED.includes(byte) ? [0x7d, byte ^ 0x20] : [byte])), 0x7e], means);
}
