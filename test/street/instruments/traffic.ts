import { ascii, Instrument, type Said, sumOf, type Utterance, utterance } from "./instrument.ts";

/** A speed with digits that no released number has. */
export const SPEED_CANARY = "61.372948";

/** OmniPreSense OPS243, by AN-010: commands of two characters; while a car is in view it prints a line for each look at it. */
export class Ops243 extends Instrument {
  readonly driver = "ops243";
  override readonly streams: object;
  #linesLeft = 0;
  #direction: "inbound" | "outbound" = "inbound";
  #written = "";

  constructor(dice: ConstructorParameters<typeof Instrument>[0], streams: object) {
    super(dice);
    this.streams = streams;
  }

  /** A car is in view for a second or less, and the next one comes later than its hold-off of a second. */
  override waitMs(): number {
    return this.#linesLeft > 0 ? this.dice.between(60, 160) : 1_600 + this.dice.wait(9_000);
  }

  /** The passage is known when its last line is out. */
  override next(): Utterance {
    if (this.#linesLeft === 0) {
      this.#linesLeft = this.dice.between(3, 9);
      this.#direction = this.dice.pick(["inbound", "outbound"]);
    }
    this.#linesLeft--;
    const means: readonly Said[] = this.#linesLeft > 0 ? [] : [passage(this.#direction === "inbound" ? "towards" : "away")];
    return utterance(ascii(`{"unit":"kmph","speed":"${SPEED_CANARY}","direction":"${this.#direction}"}\r\n`), means);
  }

  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written += String.fromCharCode(...data);
    const answers: Utterance[] = [];
    for (; this.#written.length >= 2; this.#written = this.#written.slice(2)) {
      const command = this.#written.slice(0, 2);
      if (command === "UK") answers.push(utterance(ascii('{"Units":"km-per-hr"}\r\n')));
      if (command === "??") answers.push(utterance(ascii('{"Product":"OPS243"}\r\n{"Version":"1.3.2"}\r\n')));
    }
    return answers;
  }
}

const passage = (cell: string): Said => ({ channel: "passages", steps: 1, cell });

/** The wall opposite, and how near somebody is who walks through the beam. */
const WALL_CM = 420;

/**
 * Benewake TFmini, by its manual: `59 59`, distance and strength with the low byte first, mode, spare, sum. It is set to five frames a
 * second.
 */
export class Tfmini extends Instrument {
  readonly driver = "tfmini";
  override readonly options = { nearCm: 250, farCm: 300 };
  override readonly streams: object;
  #isNear = false;
  #framesLeft = 20;
  #nearCm = 100;

  constructor(dice: ConstructorParameters<typeof Instrument>[0], streams: object) {
    super(dice);
    this.streams = streams;
  }

  override waitMs(): number {
    return 200;
  }

  override next(): Utterance {
    const isNew = this.#framesLeft === 0;
    if (isNew) this.#turn();
    this.#framesLeft--;
    const distance = (this.#isNear ? this.#nearCm : WALL_CM) + this.dice.between(-3, 3);
    const strength = this.dice.between(200, 6_000);
    const bytes = [0x59, 0x59, distance & 0xff, distance >> 8, strength & 0xff, strength >> 8, 2, 0];
    return utterance([...bytes, sumOf(bytes) & 0xff], isNew && this.#isNear ? [passage("all")] : []);
  }

  #turn(): void {
    this.#isNear = !this.#isNear;
    this.#nearCm = this.dice.between(60, 220);
    this.#framesLeft = this.#isNear ? this.dice.between(3, 8) : 6 + Math.round(this.dice.wait(6_000) / 200);
  }
}
