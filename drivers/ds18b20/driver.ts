import type { BusEvent, ChannelSpec, DiscardReason, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

// "DS18B20 Programmable Resolution 1-Wire Digital Thermometer", 19-7487 Rev 6, in this file "data sheet"; the files of the kernel as
// Documentation/w1/slaves/w1_therm.rst and drivers/w1/slaves/w1_therm.c have them, here "kernel".

/** Data sheet, table 1: a conversion of 12 bits takes 750 ms; the kernel waits for it, and one device of a line after the other. */
const TIMEOUT_MS = 10_000;
/** Two answers may get lost before the sensor counts as silent. */
const MISSED_ANSWERS = 3;
const EVERY_SECONDS_MAX = 3_600;
const ASK = "ask";
const READ = "read";

/** Kernel: the nine bytes of the scratchpad and the verdict on their CRC, then the same bytes and the temperature. */
const RAW_FILE = "w1_slave";
const RAW = /^((?:[0-9a-f]{2} ){9}): crc=([0-9a-f]{2}) (YES|NO)\n(?:[0-9a-f]{2} ){9}t=(-?\d{1,6})\n?$/;
/** Kernel: thousandths of a degree alone, after the kernel has checked the CRC itself. */
const VALUE_FILE = "temperature";
const VALUE = /^(-?\d{1,6})\n?$/;

/** Data sheet, figure 3: what the register holds after power-on, before the first conversion. */
const POWER_ON = 85_000;
/** What libraries give for a device that does not answer (DEVICE_DISCONNECTED_C of the Arduino library DallasTemperature). */
const DISCONNECTED = -127_000;

const CHANNELS: readonly ChannelSpec[] = [
  {
    name: "temperature",
    quantity: "temperature",
    unit: "Cel",
    // Data sheet, "features": -55 to 125 degrees; at 12 bits a step is 0.0625, of which a hundredth is told.
    range: [-55, 125],
    resolution: 0.01,
    sensitivity: "environmental",
  },
];

/** Thousandths of a degree, null when the device has none, or why the text is no answer. */
type Answer = number | null | DiscardReason;

class Ds18b20 implements Session {
  readonly #file: string;
  readonly #everyMs: number;
  readonly #crc8: DriverApi["crc8Maxim"];
  #isWaiting = false;

  constructor({ file, everySeconds }: Options, crc8: DriverApi["crc8Maxim"]) {
    this.#file = file;
    this.#everyMs = everySeconds * 1_000;
    this.#crc8 = crc8;
  }

  handle(event: BusEvent, out: SessionSink): void {
    switch (event.type) {
      case "opened":
        out.expect(MISSED_ANSWERS * this.#everyMs + TIMEOUT_MS);
        this.#isWaiting = false;
        this.#ask(out);
        break;
      case "timer":
        if (event.name === ASK) this.#ask(out);
        break;
      case "reply":
        if (event.tag !== READ) break;
        this.#isWaiting = false;
        this.#take(event.data, out);
        break;
      case "noReply":
        // The kernel tells a failed read or a wrong CRC of `temperature` so: the next question comes with the timer.
        if (event.tag === READ) this.#isWaiting = false;
        break;
    }
  }

  #ask(out: SessionSink): void {
    out.timer(ASK, this.#everyMs);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    out.request(READ, { file: this.#file }, TIMEOUT_MS);
  }

  #take(data: Uint8Array, out: SessionSink): void {
    // Also of bytes that are no text: each is one character.
    const text = String.fromCharCode(...data);
    const answer = this.#file === RAW_FILE ? this.#readRaw(text) : readValue(text);
    if (typeof answer === "string") {
      if (data.length > 0) out.discard(answer, data.length);
    } else out.reading("temperature", answer === null ? null : answer / 1_000);
  }

  #readRaw(text: string): Answer {
    const [, hex, crc, verdict, thousandths] = RAW.exec(text) ?? [];
    if (hex === undefined || crc === undefined || thousandths === undefined) return "syntax";
    // Kernel: after a wrong CRC the second line repeats the value of an earlier read.
    if (verdict === "NO") return "checksum";
    const bytes = Uint8Array.from(hex.trim().split(" "), (byte) => Number.parseInt(byte, 16));
    if (this.#crc8(bytes, 0, bytes.length) !== 0) return "checksum";
    // A line that is shorted to ground reads as zeros, whose CRC is zero as well.
    if (bytes.every((byte) => byte === 0)) return null;
    return trusted(Number(thousandths));
  }
}

function readValue(text: string): Answer {
  const [, thousandths] = VALUE.exec(text) ?? [];
  return thousandths === undefined ? "syntax" : trusted(Number(thousandths));
}

const trusted = (thousandths: number): number | null => (thousandths === POWER_ON || thousandths === DISCONNECTED ? null : thousandths);

interface Options {
  readonly file: typeof RAW_FILE | typeof VALUE_FILE;
  readonly everySeconds: number;
}

/** Maxim DS18B20 and its relatives, as the 1-Wire driver of the kernel shows them. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "ds18b20",
  summary: "Maxim DS18B20 1-Wire thermometers, through the files of the kernel",
  testedWith: "files made by the kernel's format",
  port: "file",
  options: api.z.strictObject({
    file: api.z
      .enum([RAW_FILE, VALUE_FILE])
      .default(RAW_FILE)
      .describe("Which file is read. w1_slave shows the bytes and their checksum; temperature, from kernel 5.8 on, the value alone."),
    everySeconds: api.z
      .int()
      .min(1)
      .max(EVERY_SECONDS_MAX)
      .default(10)
      .describe("How often it is asked. An answer takes a second, and devices of one line wait for each other: 15 of them need 15 s."),
  }),
  channels: () => CHANNELS,
  start: (options) => new Ds18b20(options, api.crc8Maxim),
});
