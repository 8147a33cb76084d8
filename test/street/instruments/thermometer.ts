import type { Dice } from "../../../src/testing/simulation/chance.ts";
import { type Said, said, truth } from "./instrument.ts";

/** The file in which the kernel shows what it read (w1_therm). */
export const W1_SLAVE = "w1_slave";

/** What stands in the file, and what it means: nothing, where the answer was torn or the device has not measured yet. */
export interface Shown {
  readonly text: string;
  readonly means: readonly Said[];
}

/**
 * A DS18B20 on a 1-Wire line, by its data sheet 19-7487 and w1_therm of the kernel: nine bytes, of which the first two are sixteenths of a
 * degree, the lowest first, and the last is the CRC of the others; then the same as thousandths.
 */
export class Ds18b20 {
  readonly driver = "ds18b20";
  readonly options = { everySeconds: 5 };
  readonly truths = { temperature: truth("gauge", 3, 2) };
  /** Every 5 s, and a read may take a while: it is thought to be silent after three questions and 10 s. */
  readonly slowestMs = 8_400;
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** How long until it shows something else. */
  waitMs(): number {
    return this.#dice.between(1_500, 4_000);
  }

  next(): Shown {
    // After power-on it holds 85 degrees, which it did not measure.
    const isFresh = this.#dice.percent(5);
    const isTorn = this.#dice.percent(5);
    const sixteenths = isFresh ? 85 * 16 : this.#dice.between(-20 * 16, 60 * 16);
    const bytes = [sixteenths & 0xff, (sixteenths >> 8) & 0xff, 0x4b, 0x46, 0x7f, 0xff, 0x0e, 0x10];
    const crc = crc8(bytes);
    const hex = [...bytes, isTorn ? crc ^ 0x21 : crc].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const thousandths = Math.trunc((sixteenths * 1_000) / 16);
    const text = `${hex} : crc=${crc.toString(16).padStart(2, "0")} ${isTorn ? "NO" : "YES"}\n${hex} t=${thousandths}\n`;
    return { text, means: isFresh || isTorn || sixteenths === 85 * 16 ? [] : [said("temperature", thousandths)] };
  }
}

/** Polynomial 8C, the lowest bit first: bit by bit, as application note 27 has it. */
function crc8(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x8c : crc >>> 1;
  }
  return crc;
}
