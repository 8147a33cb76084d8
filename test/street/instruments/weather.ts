import { ascii, crc16, decimal, Instrument, type Said, said, sumOf, truth, type Utterance, utterance, Written } from "./instrument.ts";

type Dice = ConstructorParameters<typeof Instrument>[0];

/** DFRobot A02YYUW, by its wiki: `FF`, millimetres in two bytes, the low byte of the sum of the three. It looks down at water. */
export class A02yyuw extends Instrument {
  readonly driver = "a02yyuw";
  override readonly options: { readonly heightMm: number };
  override readonly truths = { level: truth("gauge", 3) };
  #distanceMm = 2_000;

  constructor(dice: Dice, heightMm: number) {
    super(dice);
    this.options = { heightMm };
  }

  override waitMs(): number {
    return this.dice.between(280, 300);
  }

  override next(): Utterance {
    this.#distanceMm = Math.min(4_400, Math.max(40, this.#distanceMm + this.dice.between(-40, 40)));
    // Something floats right under it, or nothing is in reach: no value of the range that the wiki gives, 30 to 4500 mm.
    const isBeyond = this.dice.percent(2);
    const distance = isBeyond ? this.dice.pick([12, 29, 4_501, 9_000]) : this.#distanceMm;
    const bytes = [0xff, distance >> 8, distance & 0xff];
    return utterance([...bytes, sumOf(bytes) & 0xff], isBeyond ? [] : [said("level", this.options.heightMm - distance)]);
  }
}

/** Gill WindSonic as delivered, by its manual: `<STX>Q,229,002.74,M,00,<ETX>16<CR><LF>`, once a second; the sum is an exclusive or. */
export class WindSonic extends Instrument {
  readonly driver = "windsonic";
  override readonly truths = { wind_speed: truth("gauge", 2), wind_direction: truth("direction", 0) };
  /** Manual: its slowest rate is one message in 4 s. */
  override readonly slowestMs = 4_000;

  override waitMs(): number {
    return this.dice.between(995, 1_005);
  }

  override next(): Utterance {
    const isCalm = this.dice.percent(5);
    const steps = isCalm ? this.dice.between(0, 4) : this.dice.between(5, 4_500);
    const degrees = this.dice.between(0, 359);
    const isBroken = this.dice.percent(2);
    const speed = decimal(steps, 2).padStart(6, "0");
    // Below 0.05 m/s the direction is left out; a status other than 00 says that the values are none.
    const body = `Q,${isCalm ? "" : String(degrees).padStart(3, "0")},${speed},M,${isBroken ? "02" : "00"},`;
    const sum = ascii(body).reduce((xor, byte) => xor ^ byte, 0);
    const trailer = sum.toString(16).toUpperCase().padStart(2, "0");
    const means = [said("wind_speed", steps), ...(isCalm ? [] : [said("wind_direction", degrees)])];
    return utterance([0x02, ...ascii(body), 0x03, ...ascii(`${trailer}\r\n`)], isBroken ? [] : means);
  }
}

/** How the rain counter of a WXT begins again. M: by hand, it is a running total. A: with every message, which tells what is new. */
type RainReset = "M" | "A";

/**
 * Vaisala WXT530, by its user guide: polled with `0r` it answers a line for each group, with three characters of CRC behind the last
 * field.
 */
export class Wxt530 extends Instrument {
  readonly driver = "wxt5xx";
  override readonly options: { readonly everySeconds: number };
  override readonly truths = {
    wind_speed: truth("gauge", 1),
    wind_direction: truth("direction", 0),
    wind_gust: truth("gauge", 1),
    temperature: truth("gauge", 1),
    humidity: truth("gauge", 1),
    pressure: truth("gauge", 1),
    rainfall: truth("counter", 2),
  };
  readonly #written = new Written();
  readonly #reset: RainReset;
  /** Hundredths of millimetres since it was installed. */
  #rain = 1_234;
  /** What it told last, since the node listens; null: nothing, and the first total is where counting begins. */
  #toldRain: number | null = null;

  constructor(dice: Dice, everySeconds: number, reset: RainReset) {
    super(dice);
    this.options = { everySeconds };
    this.#reset = reset;
  }

  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.before(0x0a); command !== null; command = this.#written.before(0x0a)) {
      const text = String.fromCharCode(...command).trim();
      const settings = `0RU,R=11111100&00111000,I=60,A=0,U=M,S=M,M=R,Z=${this.#reset},X=100,Y=100\r\n`;
      if (text === "0RU") answers.push(utterance(ascii(settings)));
      if (text === "0r") answers.push(this.#wind(), this.#air(), this.#rainfall(), message(5, [["Th", "16.0C"]], []));
    }
    return answers;
  }

  /** Without wind the directions are those from before, and mean nothing. */
  #wind(): Utterance {
    const mean = this.dice.percent(10) ? 0 : this.dice.between(1, 250);
    const gust = mean + this.dice.between(0, 80);
    const degrees = this.dice.between(0, 359);
    const fields = [
      ["Dn", `${String(Math.max(0, degrees - 20)).padStart(3, "0")}D`],
      ["Dm", `${String(degrees).padStart(3, "0")}D`],
      ["Dx", `${String(Math.min(360, degrees + 20)).padStart(3, "0")}D`],
      ["Sn", `${decimal(Math.max(0, mean - 10), 1)}M`],
      ["Sm", `${decimal(mean, 1)}M`],
      ["Sx", `${decimal(gust, 1)}M`],
    ] as const;
    return message(1, fields, [said("wind_speed", mean), said("wind_direction", degrees, mean === 0), said("wind_gust", gust)]);
  }

  /** `#` in place of a unit: the value is not valid. */
  #air(): Utterance {
    const [warmth, humid, hundreds] = [this.dice.between(-250, 399), this.dice.between(100, 1_000), this.dice.between(9_500, 10_600)];
    const isWet = this.dice.percent(4);
    const fields = [
      ["Ta", `${decimal(warmth, 1)}C`],
      ["Ua", isWet ? "0.0#" : `${decimal(humid, 1)}P`],
      ["Pa", `${decimal(hundreds, 1)}H`],
    ] as const;
    return message(2, fields, [said("temperature", warmth), ...(isWet ? [] : [said("humidity", humid)]), said("pressure", hundreds)]);
  }

  #rainfall(): Utterance {
    const more = this.dice.percent(40) ? this.dice.between(1, 120) : 0;
    this.#rain += more;
    const before = this.#toldRain;
    this.#toldRain = this.#rain;
    const written = decimal(this.#reset === "M" ? this.#rain : more, 2);
    const means: readonly Said[] = this.#reset === "M" && before === null ? [] : [said("rainfall", more)];
    return message(
      3,
      [
        ["Rc", `${written}M`],
        ["Rd", "10s"],
        ["Ri", "0.6M"],
        ["Hc", "0.0M"],
      ],
      means,
    );
  }
}

/** User guide: the CRC of SDI-12 1.3 §4.4.12, over all that stands before it: six bits to a character, each with 40 hex added. */
function message(number: number, fields: readonly (readonly [string, string])[], means: readonly Said[]): Utterance {
  const body = ascii(`0r${number},${fields.map(([name, value]) => `${name}=${value}`).join(",")}`);
  const crc = crc16(body, 0);
  return utterance([...body, 0x40 | (crc >> 12), 0x40 | ((crc >> 6) & 0x3f), 0x40 | (crc & 0x3f), 0x0d, 0x0a], means);
}
