// Copy this folder, rename it, and rename `name` below to the same word. Then make golden/ say what your instrument says.
//
// The instrument that this driver reads does not exist: a thermometer that the kernel shows as a file with thousandths of a degree.

// Types only: nothing of Stoep is imported at run time, so the folder works wherever it stands (`driverPaths` in the config).
import type { BusEvent, ChannelSpec, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

// Every number has a name, its unit at the end of the name, and its source: the page of the manual, or the file of the kernel.
/** Documentation of the kernel: thousandths of a degree, and a line ending. */
const FILE = "temperature";
const THOUSANDTHS = 1_000;
const TEXT = /^(-?\d{1,6})\n?$/;
const TIMEOUT_MS = 2_000;
const ASK_EVERY_MS = 10_000;
/** Two answers may get lost before the sensor counts as silent. */
const EXPECT_WITHIN_MS = 3 * ASK_EVERY_MS + TIMEOUT_MS;
const ASK = "ask";
const TAG = "temperature";

// What the operator can publish. Range and resolution are what the hardware can do, not what you expect to see: a value outside
// is counted and dropped, and summaries are rounded to the resolution. Anything that people cause is `presence`.
const CHANNELS: readonly ChannelSpec[] = [
  // Manual §5.
  { name: "temperature", quantity: "temperature", unit: "Cel", range: [-40, 85], resolution: 0.01, sensitivity: "environmental" },
];

// A session is one conversation with one device. It has no clock, no port and no log: it is told what happens (`BusEvent`) and
// answers through the sink. A file is read when it asks for it, and again when its timer comes.
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
    out.request(TAG, { file: FILE }, TIMEOUT_MS);
    out.timer(ASK, ASK_EVERY_MS);
  }

  /** What stands in the file. The bytes are valid during the call only. */
  #read(data: Uint8Array, out: SessionSink): void {
    const [, thousandths] = TEXT.exec(String.fromCharCode(...data)) ?? [];
    if (thousandths !== undefined) out.reading("temperature", Number(thousandths) / THOUSANDTHS);
    else if (data.byteLength > 0) out.discard("syntax", data.byteLength);
  }
}

/** One sentence about the instrument. */
export default (api: DriverApi): Driver => ({
  apiVersion: 1,
  name: "_template-file",
  summary: "A driver on files of the kernel to copy: a thermometer that does not exist",
  port: "file",
  // The operator's `options`. Each one needs `.describe("…")`: the tables of README.md and the config reference are made from it.
  options: api.z.strictObject({}),
  channels: () => CHANNELS,
  start: () => new Template(),
});
