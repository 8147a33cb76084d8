import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { sealMessage } from "../../../src/core/anonymise/message.ts";
import { sensorId, streamId } from "../../../src/core/units/ids.ts";
import { epochMs } from "../../../src/core/units/time.ts";

// Commits for ever, and tells its parent of each commit only when it is done: `ACK <last number> <acknowledged position>`.
const stream = streamId(sensorId("air-1"), "pm25");
const outbox = await openOutbox({ directory: process.argv[2] ?? "", randomBytes });
for (;;) {
  const { lastSeq, lastPosition, acknowledgedPosition } = outbox.standing();
  const rows = Array.from({ length: 1 + (lastSeq % 5) }, (_, at) => {
    const seq = lastSeq + 1 + at;
    const payload = Buffer.from(`payload of ${seq} `.repeat(20));
    return { seq, message: sealMessage({ topic: "p/n1/air-1/pm25/summary", payload, retain: false, expirySeconds: null }) };
  });
  const closedTo = epochMs(lastSeq + rows.length);
  await outbox.commit({ rows, marks: new Map([[stream, { closedTo, lastStart: null }]]), facts: new Map(), madeAt: epochMs(lastSeq) });
  const upTo = Math.max(acknowledgedPosition, lastPosition - 20);
  if (upTo > acknowledgedPosition) {
    const behind = Array.from({ length: upTo - acknowledgedPosition }, (_, at) => acknowledgedPosition + 1 + at);
    const sent = behind.map((position) => ({ position, seq: position, bytes: 1, at: epochMs(lastSeq), address: "127.0.0.1:1" }));
    await outbox.acknowledge({ sent, refused: [] });
  }
  writeSync(1, `ACK ${closedTo} ${upTo}\n`);
}
