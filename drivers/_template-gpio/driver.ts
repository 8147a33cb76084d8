// Copy this folder, rename it, and rename `name` below to the same word. Then make golden/ say what your instrument says.
//
// The instrument that this driver reads does not exist: a bucket that closes a contact whenever 0.2 mm of rain have filled it.

// Types only: nothing of Stoep is imported at run time, so the folder works wherever it stands (`driverPaths` in the config).
import type { BusEvent, ChannelSpec, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`lines` below names several). */
const LINE = "line";
/** Manual §2: one tip of the bucket. */
const MM_PER_TIP = 0.2;

// What the operator can publish. Range and resolution are what the hardware can do, not what you expect to see: a value outside
// is counted and dropped, and summaries are rounded to the resolution. Anything that people cause is `presence`.
const CHANNELS: readonly ChannelSpec[] = [
  { name: "rainfall", quantity: "rainfall", unit: "mm", range: [0, MM_PER_TIP], resolution: 0.1, sensitivity: "environmental" },
];

// A session is one conversation with one device. It has no clock, no port and no log: it is told what happens (`BusEvent`) and
// answers through the sink. It outlives the port: after `closed` comes, later, `opened` again.
class Template implements Session {
  handle(event: BusEvent, out: SessionSink): void {
    // Events that a driver does not know are answered with nothing.
    switch (event.type) {
      case "opened":
        // It says nothing while it is dry: no rhythm. `event.settings.lines` tells the level of each line, where the system knows it.
        out.expect(null);
        break;
      case "edge":
        // Which edges come, and how bounce is filtered, is said in the config (`gpio.edge`, `gpio.debounce`). `atNs` is the kernel's time.
        if (event.line === LINE) out.reading("rainfall", MM_PER_TIP);
        break;
    }
  }
}

/** One sentence about the instrument. */
export default (api: DriverApi): Driver => ({
  apiVersion: 1,
  name: "_template-gpio",
  summary: "A driver on GPIO lines to copy: a rain gauge that does not exist",
  port: "gpio",
  // The operator's `options`. Each one needs `.describe("…")`: the tables of README.md and the config reference are made from it.
  options: api.z.strictObject({}),
  channels: () => CHANNELS,
  start: () => new Template(),
});
