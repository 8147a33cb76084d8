import { ascii, Instrument, type Said, said, truth, type Utterance, utterance, Written } from "./instrument.ts";

const LF = 0x0a;
const CR = 0x0d;
const ACK = 0x06;
/** Reference manual §X: a packet every 2 s. */
const PACKET_MS = 2_000;
/** Setup bits: bits 4 and 5 are 1 for a rain collector of 0.2 mm a click. */
const SETUP_BITS = 0x10;
const CLICK_HUNDREDTHS = 20;
/** What a field holds that has no value. */
const DASH = 0x7fff;

/** What the air is like when a packet is made. */
interface Air {
  /** Halves of a degree Celsius: what tenths of Fahrenheit can say exactly. */
  readonly halves: number;
  readonly humid: number;
  readonly mph: number;
  readonly degrees: number;
  readonly sun: number;
  /** Thousandths of an inch of mercury: at sea level, and here. */
  readonly barometer: number;
  readonly absolute: number;
}

/**
 * The console of a Davis Vantage Pro2, by its serial communication reference manual V2.6.1: it is woken with a line feed, `EEBRD` reads a
 * setting, `LPS 3 2` has it send a LOOP and a LOOP2 of 99 bytes. CRC-CCITT, the high byte first.
 */
export class VantageConsole extends Instrument {
  readonly driver = "davis-vantage";
  override readonly options = { everySeconds: 10 };
  override readonly truths = {
    wind_speed: truth("gauge", 2, 1),
    wind_direction: truth("direction", 0),
    temperature: truth("gauge", 1),
    humidity: truth("gauge", 0),
    rainfall: truth("counter", 2),
    irradiance: truth("gauge", 0),
    pressure_msl: truth("gauge", 2, 1),
    pressure: truth("gauge", 2, 1),
  };
  /** Two packets each time that it is asked, 2 s apart. */
  override readonly slowestMs = 10_000 + PACKET_MS;
  readonly #written = new Written();
  /** Clicks of the year. */
  #clicks = 711;
  #isRainTold = false;

  override hear(data: Uint8Array): readonly Utterance[] {
    this.#written.add(data);
    const answers: Utterance[] = [];
    for (let command = this.#written.before(LF); command !== null; command = this.#written.before(LF)) {
      const text = String.fromCharCode(...command);
      if (text === "") answers.push(utterance([LF, CR]));
      if (text === "EEBRD 2B 01") answers.push(utterance([ACK, ...withCrc([SETUP_BITS])]));
      if (text === "LPS 3 2") answers.push(this.#loop(), { ...this.#loop2(), afterMs: PACKET_MS });
    }
    return answers;
  }

  #air(): Air {
    const barometer = this.dice.between(28_500, 31_000);
    return {
      halves: this.dice.between(-30, 70),
      humid: this.dice.between(1, 100),
      mph: this.dice.percent(10) ? 0 : this.dice.between(1, 90),
      degrees: this.dice.between(1, 360),
      sun: this.dice.between(0, 1_800),
      barometer,
      absolute: barometer - 120,
    };
  }

  /** What both packets have, at the same places. */
  #common(type: number, air: Air): number[] {
    const packet = [...ascii("LOO"), ...new Array<number>(92).fill(0), LF, CR];
    packet[4] = type;
    put(packet, 7, air.barometer);
    put(packet, 9, 701);
    packet[11] = 41;
    put(packet, 12, 320 + 9 * air.halves);
    packet[14] = air.mph;
    put(packet, 16, air.degrees);
    packet[33] = air.humid;
    put(packet, 44, air.sun);
    return packet;
  }

  #means(air: Air): readonly Said[] {
    return [
      said("temperature", 5 * air.halves),
      said("humidity", air.humid),
      // An international mile an hour is 0.44704 m/s; a value has hundredths.
      said("wind_speed", Math.round((air.mph * 44_704) / 1_000)),
      // In a calm the vane's last direction stays.
      said("wind_direction", air.degrees, air.mph === 0),
      said("irradiance", air.sun),
      said("pressure_msl", hundredthsOfHpa(air.barometer)),
    ];
  }

  #loop(): Utterance {
    const air = this.#air();
    const more = this.dice.percent(30) ? this.dice.between(1, 9) : 0;
    this.#clicks += more;
    const packet = this.#common(0, air);
    put(packet, 54, this.#clicks);
    put(packet, 87, 780);
    const rain = this.#isRainTold ? [said("rainfall", more * CLICK_HUNDREDTHS)] : [];
    this.#isRainTold = true;
    return utterance([ACK, ...withCrc(packet)], [...this.#means(air), ...rain]);
  }

  #loop2(): Utterance {
    const air = this.#air();
    const packet = this.#common(1, air);
    put(packet, 5, DASH);
    put(packet, 22, air.mph);
    put(packet, 67, air.absolute);
    return utterance(withCrc(packet), [...this.#means(air), said("pressure", hundredthsOfHpa(air.absolute))]);
  }
}

/** The conventional inch of mercury: 33.86389 hPa. */
const hundredthsOfHpa = (thousandthsOfInch: number): number => Math.round((thousandthsOfInch * 3_386_389) / 1_000_000);

function put(packet: number[], at: number, word: number): void {
  packet[at] = word & 0xff;
  packet[at + 1] = (word >> 8) & 0xff;
}

/** CRC-CCITT, polynomial 1021, first 0: bit by bit. With it, the CRC of all is 0. */
function withCrc(bytes: readonly number[]): readonly number[] {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return [...bytes, crc >> 8, crc & 0xff];
}
