import type {
  BusEvent,
  ChannelSpec,
  DiscardReason,
  Driver,
  DriverApi,
  Framer,
  FrameSink,
  Session,
  SessionSink,
} from "../../src/driver-api/index.ts";

// SenseAir "Modbus on S8" (TDE2067), in this file "protocol", as esphome/esphome: components/senseair speaks it; "Product
// Specification SenseAir S8 LP" PSP126 Rev 8, here "specification"; "MODBUS Application Protocol" V1.1b3, here "Modbus".

/** Protocol: FE reaches any sensor, whatever its address. */
const ANY_SENSOR = 0xfe;
/** Modbus §6.3, §6.4, §6.6: functions, and the bit that makes an exception of one (§7). */
const READ_HOLDING = 0x03;
const READ_INPUT = 0x04;
const WRITE_HOLDING = 0x06;
const EXCEPTION = 0x80;
const PREFIX_BYTES = 3;
const CRC_BYTES = 2;
const EXCEPTION_BYTES = 5;
/** The answer to a write repeats it. */
const WRITE_BYTES = 8;
/** Address, function and byte count before the data, the sum behind it. */
const READ_OVERHEAD_BYTES = PREFIX_BYTES + CRC_BYTES;
const REGISTER_BYTES = 2;
/** Protocol: input registers 1 to 4 are status, alarms, output and carbon dioxide. */
const STATUS_TO_CO2_BYTES = 4 * REGISTER_BYTES;
const FRAME_BYTES_MAX = READ_OVERHEAD_BYTES + STATUS_TO_CO2_BYTES;

/** Protocol: status, bit 5: out of range (esphome/esphome: senseair.h). With 0 ppm it says that there is no value. */
const OUT_OF_RANGE = 0x20;
/** Protocol: holding register 32, address 1F: the period of the self-calibration in hours, 0 is off; 180 from the factory. */
const PERIOD_REGISTER = 0x1f;
/** Two hundred days: the highest period of the protocol, from memory of it. */
const PERIOD_HOURS_MAX = 4_800;

/** Specification, table 1: a measurement every 4 s. */
const ASK_EVERY_MS = 4_000;
/** Two answers may get lost before the sensor counts as silent. */
const MISSED_ANSWERS = 3;
const ASK_TIMER = "ask";
/** Some models sleep until a byte comes (esphome/esphome: senseair.cpp sends 00 and waits 5 ms: more than 3.5 characters at 9600). */
const WAKE = Uint8Array.of(0);
const WAKE_MS = 5;
const SEND_TIMER = "send";

const SUSPECT = { quality: "suspect" } as const;

const CHANNELS: readonly ChannelSpec[] = [
  {
    name: "co2",
    quantity: "co2",
    unit: "[ppm]",
    // Specification, table 1 and note 2: 400 to 2000 ppm with the stated accuracy, 0 to 10,000 ppm read out.
    range: [0, 10_000],
    resolution: 1,
    sensitivity: "environmental",
    // Specification, table 1: more than 15 years.
    lifeHours: 131_400,
  },
];

const word = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

function frameBytes(bytes: Uint8Array, start: number): number | null {
  const code = bytes[start + 1] as number;
  const byteCount = bytes[start + 2] as number;
  if (code === WRITE_HOLDING) return WRITE_BYTES;
  if ((code & EXCEPTION) !== 0) return [READ_HOLDING, READ_INPUT, WRITE_HOLDING].includes(code & ~EXCEPTION) ? EXCEPTION_BYTES : null;
  const isKnown = byteCount === REGISTER_BYTES ? code === READ_HOLDING || code === READ_INPUT : code === READ_INPUT;
  return isKnown && (byteCount === REGISTER_BYTES || byteCount === STATUS_TO_CO2_BYTES) ? READ_OVERHEAD_BYTES + byteCount : null;
}

/** The three things that are said to the sensor. */
interface Commands {
  readonly askValues: Uint8Array;
  readonly askPeriod: Uint8Array;
  setPeriod(hours: number): Uint8Array;
}

/** Modbus over Serial Line V1.02 §2.5.1: address, function, register, count or value, and the sum with its low byte first. */
function commands({ crc16Modbus }: DriverApi): Commands {
  const command = (code: number, register: number, value: number): Uint8Array => {
    const bytes = Uint8Array.of(ANY_SENSOR, code, register >> 8, register & 0xff, value >> 8, value & 0xff, 0, 0);
    const crc = crc16Modbus(bytes, 0, bytes.length - CRC_BYTES);
    bytes.set([crc & 0xff, crc >> 8], bytes.length - CRC_BYTES);
    return bytes;
  };
  return {
    askValues: command(READ_INPUT, 0, STATUS_TO_CO2_BYTES / REGISTER_BYTES),
    askPeriod: command(READ_HOLDING, PERIOD_REGISTER, 1),
    setPeriod: (hours) => command(WRITE_HOLDING, PERIOD_REGISTER, hours),
  };
}

class SenseairS8 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #commands: Commands;
  readonly #periodHours: number | null;
  /** What goes out at the next turn: the bus has room for one question at a time. */
  #next: Uint8Array;
  #out: SessionSink | null = null;

  constructor(framer: Framer, known: Commands, periodHours: number | null) {
    this.#framer = framer;
    this.#commands = known;
    this.#periodHours = periodHours;
    this.#next = known.askValues;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") {
      out.expect(MISSED_ANSWERS * ASK_EVERY_MS);
      this.#next = this.#periodHours === null ? this.#commands.askValues : this.#commands.askPeriod;
      this.#wake(out);
    } else if (event.type === "timer") this.#timer(event.name, out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  #wake(out: SessionSink): void {
    out.write(WAKE);
    out.timer(SEND_TIMER, WAKE_MS);
    out.timer(ASK_TIMER, ASK_EVERY_MS);
  }

  #timer(name: string, out: SessionSink): void {
    if (name === ASK_TIMER) this.#wake(out);
    else if (name === SEND_TIMER) {
      out.write(this.#next);
      this.#next = this.#commands.askValues;
    }
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const code = bytes[start + 1] as number;
    if ((code & EXCEPTION) !== 0) this.discard("unexpected", length);
    else if (code === READ_HOLDING) this.#period(word(bytes, start + PREFIX_BYTES));
    else if (code === READ_INPUT) {
      // One register alone is the carbon dioxide: nothing else is ever asked for by itself.
      const status = length === FRAME_BYTES_MAX ? word(bytes, start + PREFIX_BYTES) : 0;
      this.#value(word(bytes, start + length - CRC_BYTES - REGISTER_BYTES), status);
    }
  }

  /** The period is kept in the sensor's memory: it is written when it is wrong, and only then. */
  #period(hours: number): void {
    if (this.#periodHours !== null && hours !== this.#periodHours) this.#next = this.#commands.setPeriod(this.#periodHours);
  }

  #value(ppm: number, status: number): void {
    const isMissing = ppm === 0 && (status & OUT_OF_RANGE) !== 0;
    this.#out?.reading("co2", isMissing ? null : ppm, status === 0 || isMissing ? undefined : SUSPECT);
  }
}

interface Options {
  readonly selfCalibrationHours?: number | undefined;
}

/** Senseair S8: carbon dioxide by infrared absorption, Modbus RTU on a serial line. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "senseair-s8",
  summary: "Senseair S8 carbon dioxide sensor",
  testedWith: "frames of esphome",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: api.z.strictObject({
    selfCalibrationHours: api.z
      .int()
      .min(0)
      .max(PERIOD_HOURS_MAX)
      .optional()
      .describe(
        "The period of the sensor's own correction, which takes the lowest value of each period for fresh air. 0 switches it off, 180 " +
          "is how it leaves the factory. Left out: the sensor stays as it is.",
      ),
  }),
  channels: () => CHANNELS,
  start: ({ selfCalibrationHours }) =>
    new SenseairS8(
      api.headerFramer({
        header: [ANY_SENSOR],
        prefixBytes: PREFIX_BYTES,
        frameBytes,
        frameBytesMax: FRAME_BYTES_MAX,
        isSound: (bytes, start, end) =>
          api.crc16Modbus(bytes, start, end - CRC_BYTES) ===
          ((bytes[end - CRC_BYTES] as number) | ((bytes[end - CRC_BYTES + 1] as number) << 8)),
      }),
      commands(api),
      selfCalibrationHours ?? null,
    ),
});
