import { ascii, crc16, decimal, Instrument, said, truth, type Utterance, utterance } from "./instrument.ts";

/** The number of a meter, as it stands in every telegram: 17 characters of ASCII in hexadecimal. It must be nowhere. */
export const METER_CANARY = "4530303434303037313331353530363134";
/** What a household pretends to use in every telegram: digits that stand nowhere else. */
export const POWER_CANARY = "03.917";

/** The P1 port of a Dutch smart meter, after the telegrams of ndokter/dsmr_parser: text between `/` and `!`, then CRC-16/ARC over both. */
abstract class SmartMeter extends Instrument {
  readonly driver = "dsmr-p1";
  protected total = [1_234_567, 7_654_321];

  protected telegram(version: string): readonly number[] {
    const [low = 0, high = 0] = this.total;
    const lines = [
      "/ISK5\\2M550T-1012",
      "",
      `1-3:0.2.8(${version})`,
      "0-0:1.0.0(261126101500W)",
      `0-0:96.1.1(${METER_CANARY})`,
      `1-0:1.8.1(${decimal(low, 3).padStart(10, "0")}*kWh)`,
      `1-0:1.8.2(${decimal(high, 3).padStart(10, "0")}*kWh)`,
      "1-0:2.8.1(000000.000*kWh)",
      "1-0:2.8.2(000000.000*kWh)",
      "0-0:96.14.0(0002)",
      `1-0:1.7.0(${POWER_CANARY}*kW)`,
      "1-0:2.7.0(00.000*kW)",
      "0-0:96.13.0()",
      "!",
    ];
    const body = ascii(lines.join("\r\n"));
    return [...body, ...ascii(crc16(body, 0).toString(16).toUpperCase().padStart(4, "0")), 0x0d, 0x0a];
  }
}

/** A household: whatever it says, nothing of it may leave. */
export class HouseholdMeter extends SmartMeter {
  override readonly options = { version: "5" };
  override readonly streams = { power_import: { policy: "withheld" }, import: { policy: "withheld" } };

  override waitMs(): number {
    return 1_000;
  }

  override next(): Utterance {
    this.total = this.total.map((value) => value + this.dice.below(3));
    return utterance(this.telegram("50"));
  }
}

/** A public lighting cabinet, behind which nobody lives. Both tariffs are one register; counting begins with the first telegram. */
export class LightingMeter extends SmartMeter {
  override readonly options = { version: "4", serves: "street-lighting" };
  override readonly truths = { import: truth("counter", 3) };
  #isTold = false;

  override waitMs(): number {
    return 10_000;
  }

  override next(): Utterance {
    const more = this.dice.between(0, 90);
    this.total = this.total.map((value, tariff) => value + (tariff === 1 ? more : 0));
    const means = this.#isTold ? [said("import", more)] : [];
    this.#isTold = true;
    return utterance(this.telegram("42"), means);
  }
}

/** A GNSS receiver, NMEA 0183: sentences between `$` and `*`, then the exclusive or of what is between. Its position leaves no node. */
export class GnssReceiver extends Instrument {
  readonly driver = "nmea";
  override readonly streams = { latitude: { policy: "withheld" }, longitude: { policy: "withheld" } };

  override waitMs(): number {
    return 1_000;
  }

  override next(nowMs: number): Utterance {
    const time = new Date(nowMs).toISOString().slice(11, 19).replaceAll(":", "");
    const body = `GPGGA,${time},${POSITION_CANARY},N,00452.380,E,1,08,0.9,4.5,M,46.9,M,,`;
    const sum = ascii(body).reduce((xor, byte) => xor ^ byte, 0);
    return utterance(ascii(`$${body}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`));
  }
}

/** Degrees and minutes of a latitude, in the form of NMEA. */
export const POSITION_CANARY = "5221.6613";
