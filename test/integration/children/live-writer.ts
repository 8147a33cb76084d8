import { writeSync } from "node:fs";
import { openLiveStore } from "../../../src/adapters/sqlite/live-store.ts";
import { ChunkWriter } from "../../../src/core/reading/record.ts";
import { durationMs, epochMs, monotonicMs } from "../../../src/core/units/time.ts";

// Appends chunks for ever, each with its own number in every value: `ACK <number of the last chunk>`.
const store = openLiveStore({ path: process.argv[2] ?? "", instance: "0badcafe", bootId: "boot-1", bytesMax: 64 * 1024 * 1024 });
const windowMs = durationMs(300_000);
const held = [...store.read(windowMs, epochMs(0))].length;
for (let number = held + 1; ; number++) {
  const writer = new ChunkWriter(10);
  for (let at = 0; at < 10; at++) writer.add(store.streamIndex("air-1.pm25" as never, ""), number, number, 0, 0, 1);
  const at = monotonicMs(number);
  store.append({ sensitivity: "environmental", windowMs, window: epochMs(0), fromMs: at, toMs: at, data: writer.bytes() });
  writeSync(1, `ACK ${number}\n`);
}
