// Copy this folder, rename it, and rename `name` below to the same word. Then make golden/ say what your instrument says.
//
// The instrument that this driver reads does not exist: a thermometer with one input register, in tenths of a degree.

// Types only: nothing of Stoep is imported at run time, so the folder works wherever it stands (`driverPaths` in the config).
import type { BusEvent, ChannelSpec, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

// Every number has a name, its unit at the end of the name, and its source: the page of the manual.
/** Manual §4: the temperature, signed, in tenths of a degree. The number is the address on the wire, from 0. */
const TEMPERATURE = { table: "input", address: 0, count: 1 } as const;
const TENTHS = 10;
const REGISTER_BYTES = 2;
/** Manual §3: it answers within 200 ms. */
const TIMEOUT_MS = 1_000;
/** Manual §4: it measures twice a second. */
const ASK_EVERY_MS = 10_000;
/** Two answers may get lost before the sensor counts as silent. */
const EXPECT_WITHIN_MS = 3 * ASK_EVERY_MS + TIMEOUT_MS;
const ASK = "ask";
const TAG = "temperature";

// What the operator can publish. Range and resolution are what the hardware can do, not what you expect to see: a value outside
// is counted and dropped, and summaries are rounded to the resolution. Anything that people cause is `presence`.
const CHANNELS: readonly ChannelSpec[] = [
  // Manual §5.
  { name: "temperature", quantity: "temperature", unit: "Cel", range: [-40, 85], resolution: 0.1, sensitivity: "environmental" },
];

const signed16 = (data: Uint8Array): number => new DataView(data.buffer, data.byteOffset, data.byteLength).getInt16(0);

// A session is one conversation with one device. It has no clock, no port and no log: it is told what happens (`BusEvent`) and
// answers through the sink. The bus is shared: it speaks when it is asked, and asks again when its timer comes.
class Template implements Session {
  handle(event: BusEvent, out: SessionSink): void {
    // Events that a driver does not know are answered with nothing.
    switch (event.type) {
      case "opened":
        out.expect(EXPECT_WITHIN_MS);
        this.#ask(out);
        break;
      case "timer":
        if (event.name === ASK) this.#ask(out);
        break;
      case "reply":
        if (event.tag === TAG) this.#read(event.data, out);
        break;
      case "noReply":
        // Nothing: it is asked again with the timer, and silence is the runtime's business.
        break;
    }
  }

  #ask(out: SessionSink): void {
    out.request(TAG, { registers: TEMPERATURE }, TIMEOUT_MS);
    out.timer(ASK, ASK_EVERY_MS);
  }

  /** The registers that were asked for: two bytes each, the high one first. The bytes are valid during the call only. */
  #read(data: Uint8Array, out: SessionSink): void {
    if (data.byteLength === TEMPERATURE.count * REGISTER_BYTES) out.reading("temperature", signed16(data) / TENTHS);
    else if (data.byteLength > 0) out.discard("length", data.byteLength);
  }
}

/** One sentence about the instrument. */
export default (api: DriverApi): Driver => ({
  apiVersion: 1,
  name: "_template-modbus",
  summary: "A driver on a Modbus line to copy: a thermometer that does not exist",
  port: "modbus",
  // The operator's `options`. Each one needs `.describe("…")`: the tables of README.md and the config reference are made from it.
  options: api.z.strictObject({}),
  channels: () => CHANNELS,
  start: () => new Template(),
});
