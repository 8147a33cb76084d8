import { ascii, crc16, decimal, Instrument, type Said, said, truth, type Utterance, utterance, Written } from "./instrument.ts";

const EXCLAMATION = 0x21;

/**
 * Two sensors on an SDI-12 line, by the standard V1.4, behind an adapter that makes the break: `aMC!` is answered `atttn`, then, when it is
 * ready before the announced time, by `a` alone, and `aD0!` by the values with a CRC of three characters. `aCC!` announces two digits of
 * values and asks for no attention.
 */
export class Sdi12Line extends Instrument {
  readonly driver = "sdi12";
  override readonly baud = 9_600;
  override readonly options = {
    line: "adapter",
    everySeconds: 10,
    channels: {
      soil_moisture: { address: "0", value: 1, quantity: "soil_moisture", range: [0, 100], resolution: 0.1 },
      soil_temperature: { address: "0", value: 2, quantity: "temperature", range: [-40, 60], resolution: 0.1 },
      level: { address: "1", measurement: "C", value: 1, quantity: "water_level", scale: 0.001, range: [0, 10], resolution: 0.001 },
    },
  };
  override readonly truths = { soil_moisture: truth("gauge", 1), soil_temperature: truth("gauge", 1), level: truth("gauge", 3) };
  readonly #written = new Written();

  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.before(EXCLAMATION); command !== null; command = this.#written.before(EXCLAMATION)) {
      const text = String.fromCharCode(...command).trim();
      // The first is ready after a second, and says so a little earlier; the second is ready at once.
      if (text === "0MC") answers.push(utterance(ascii("00012\r\n")), { ...utterance(ascii("0\r\n")), afterMs: 400 });
      if (text === "1CC") answers.push(utterance(ascii("100001\r\n")));
      if (text === "0D0") answers.push(this.#soil());
      if (text === "1D0") answers.push(this.#level());
    }
    return answers;
  }

  #soil(): Utterance {
    const [moist, warm] = [this.dice.between(0, 1_000), this.dice.between(-150, 350)];
    return values("0", [decimal(moist, 1), decimal(warm, 1)], [said("soil_moisture", moist), said("soil_temperature", warm)]);
  }

  #level(): Utterance {
    const millimetres = this.dice.between(0, 9_999);
    return values("1", [String(millimetres)], [said("level", millimetres)]);
  }
}

/** §4.4.12: the CRC is over all that stands before it; every value has its sign. */
function values(address: string, texts: readonly string[], means: readonly Said[]): Utterance {
  const body = ascii(address + texts.map((text) => (text.startsWith("-") ? text : `+${text}`)).join(""));
  const crc = crc16(body, 0);
  return utterance([...body, 0x40 | (crc >> 12), 0x40 | ((crc >> 6) & 0x3f), 0x40 | (crc & 0x3f), CR, LF], means);
}

const CR = 0x0d;
const LF = 0x0a;
