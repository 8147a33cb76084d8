// Copy this folder, rename it, and rename `name` below to the same word. Then make golden/ say what your instrument says.
//
// The instrument that this driver reads does not exist: it prints one line a second such as `$TH,21.5,48.2*14`, where 14 is the
// exclusive or of all characters between `$` and `*`, as NMEA 0183 has it.

// Types only: nothing of Stoep is imported at run time, so the folder works wherever it stands (`driverPaths` in the config).
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

// Every number has a name, its unit at the end of the name, and its source: the page of the manual.
/** Manual §3: the longest line has 24 characters. */
const LINE_BYTES_MAX = 32;
/** Manual §3: one line a second. Two may get lost before the sensor counts as silent. */
const EXPECT_WITHIN_MS = 3_000;
const CR = 0x0d;
const DOLLAR = 0x24;
/** `*`, two hex digits. */
const CHECKSUM_BYTES = 3;
const LINE = /^\$TH,(-?\d+\.\d),(\d+\.\d)\*([0-9A-F]{2})$/;

// What the operator can publish. Range and resolution are what the hardware can do, not what you expect to see: a value outside
// is counted and dropped, and summaries are rounded to the resolution. Anything that people cause is `presence`.
const CHANNELS: readonly ChannelSpec[] = [
  // Manual §5: -40 to 85 degrees, in tenths.
  { name: "temperature", quantity: "temperature", unit: "Cel", range: [-40, 85], resolution: 0.1, sensitivity: "environmental" },
  { name: "humidity", quantity: "humidity", unit: "%", range: [0, 100], resolution: 0.1, sensitivity: "environmental" },
];

const toCelsius = (fahrenheit: number): number => Math.round(((fahrenheit - 32) / 1.8) * 10) / 10;

// A session is one conversation with one device. It has no clock, no port and no log: it is told what happens (`BusEvent`) and
// answers through the sink. It outlives the port: after an unplug comes `closed`, later `opened` again.
class Template implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #api: DriverApi;
  readonly #isFahrenheit: boolean;
  // The sink is valid during `handle`; the framer calls back within it, so one field saves an object per event.
  #out: SessionSink | null = null;

  constructor(framer: Framer, api: DriverApi, isFahrenheit: boolean) {
    this.#framer = framer;
    this.#api = api;
    this.#isFahrenheit = isFahrenheit;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    // Events that a driver does not know are answered with nothing.
    switch (event.type) {
      case "opened":
        // The rhythm by which the runtime knows silence. For a sensor of people it must not come from what people do:
        // ask the device something with a timer, as drivers/ops243 does.
        out.expect(EXPECT_WITHIN_MS);
        break;
      case "bytes":
        // Bytes come in any portion. The framer holds back what is not whole yet, bounded, and gives up the rest.
        this.#framer.push(event.data, this);
        break;
      case "closed":
        // Half a line from before an unplug must not be glued to what comes after it.
        this.#framer.reset(this);
        break;
    }
  }

  /** The framer gave up bytes. Every byte is part of a frame, discarded with its reason, or still waiting. */
  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  /** One line without its ending. The bytes belong to the framer: read from them, never keep them. */
  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === 0) return;
    const problem = this.#read(bytes, start, length, out);
    if (problem !== null) out.discard(problem, length + (bytes[start + length] === CR ? 2 : 1));
  }

  /** Why the line was not used, or null when it was. Bad input is an answer, never an exception. */
  #read(bytes: Uint8Array, start: number, length: number, out: SessionSink): DiscardReason | null {
    if (bytes[start] !== DOLLAR) return "syntax";
    const [, temperature, humidity, checksum] = LINE.exec(String.fromCharCode(...bytes.subarray(start, start + length))) ?? [];
    if (checksum === undefined) return "syntax";
    if (this.#api.xor8(bytes, start + 1, start + length - CHECKSUM_BYTES) !== Number.parseInt(checksum, 16)) return "checksum";
    // Emit what the hardware said. No averages, no gap filling, no derived values: the core does statistics.
    out.reading("temperature", this.#isFahrenheit ? toCelsius(Number(temperature)) : Number(temperature));
    out.reading("humidity", Number(humidity));
    return null;
  }
}

/** One sentence about the instrument. */
export default (api: DriverApi): Driver<{ fahrenheit: boolean }> => ({
  apiVersion: 1,
  name: "_template",
  summary: "A driver to copy: an instrument that does not exist",
  port: "serial",
  serial: { baudRate: 9_600 },
  // The operator's `options`. Each one has a description: the tables of README.md and the config reference are made from it.
  options: api.z.strictObject({
    fahrenheit: api.z.boolean().default(false).describe("The switch inside the instrument is set to Fahrenheit."),
  }),
  channels: () => CHANNELS,
  start: ({ fahrenheit }) => new Template(api.delimiterFramer({ frameBytesMax: LINE_BYTES_MAX }), api, fahrenheit),
});
