import { ascii, decimal, Instrument, said, truth, type Utterance, utterance } from "./instrument.ts";

type Dice = ConstructorParameters<typeof Instrument>[0];

/** A sound level meter with a text output: a line a second, in which one field is the LAeq of that second. */
export class SoundMeter extends Instrument {
  readonly driver = "sound-meter";
  override readonly options: object;
  override readonly truths = { laeq: truth("level", 1) };
  readonly #isLong: boolean;

  /** `isLong`: date, time, level with its weighting and the highest level; else the level alone. */
  constructor(dice: Dice, { isLong }: { readonly isLong: boolean }) {
    super(dice);
    this.#isLong = isLong;
    this.options = { format: "ascii", field: isLong ? 3 : 1, everyMs: 1_000, range: [25, 138] };
  }

  override waitMs(): number {
    return this.dice.between(980, 1_000);
  }

  override next(nowMs: number): Utterance {
    const tenths = this.dice.between(300, 1_050);
    const [day = "", time = ""] = new Date(nowMs).toISOString().slice(0, 19).split("T");
    const level = decimal(tenths, 1);
    const line = this.#isLong ? `${day};${time};${level} dB(A);${decimal(tenths + 63, 1)}` : `${level} dBA`;
    return utterance(ascii(`${line}\r\n`), [said("laeq", tenths)]);
  }
}

/** A microcontroller that prints a JSON object every 2 s: a level and, deeper, a temperature in hundredths. */
export class JsonBoard extends Instrument {
  readonly driver = "json-lines";
  override readonly options = {
    everyMs: 2_000,
    fields: {
      laeq: { key: "laeq", quantity: "sound_level", range: [20, 140], resolution: 0.1 },
      temperature: { key: "air.t", quantity: "temperature", range: [-40, 85], resolution: 0.01 },
    },
  };
  override readonly truths = { laeq: truth("level", 1), temperature: truth("gauge", 2) };

  override waitMs(): number {
    return this.dice.between(1_900, 2_000);
  }

  override next(): Utterance {
    const [tenths, hundredths] = [this.dice.between(300, 990), this.dice.between(-1_999, 3_999)];
    // Some firmware writes numbers as texts; null is what it has no value of.
    const level = this.dice.percent(30) ? `"${decimal(tenths, 1)}"` : decimal(tenths, 1);
    const isCold = this.dice.percent(5);
    const line = `{"laeq":${level},"air":{"t":${isCold ? "null" : decimal(hundredths, 2)}},"up":${this.dice.below(9_999)}}\n`;
    return utterance(ascii(line), [said("laeq", tenths), ...(isCold ? [] : [said("temperature", hundredths)])]);
  }
}

/** Another one that prints pairs, and counts: how much rain is new since the last line, and how many went through a gate. */
export class PairsBoard extends Instrument {
  readonly driver = "json-lines";
  override readonly options = {
    everyMs: 5_000,
    fields: {
      humidity: { key: "rh", quantity: "humidity", range: [0, 100], resolution: 0.1 },
      rainfall: { key: "rain", quantity: "rainfall", range: [0, 50], resolution: 0.1, counts: "increments" },
    },
  };
  override readonly truths = { humidity: truth("gauge", 1), rainfall: truth("counter", 1) };

  override waitMs(): number {
    return this.dice.between(4_800, 5_000);
  }

  override next(): Utterance {
    const [humid, rain] = [this.dice.between(0, 1_000), this.dice.percent(50) ? this.dice.between(0, 30) : 0];
    const line = `rh=${decimal(humid, 1)} rain=${decimal(rain, 1)} mode=auto\r\n`;
    return utterance(ascii(line), [said("humidity", humid), said("rainfall", rain)]);
  }
}
