import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import Database from "better-sqlite3";
import { type NodeStore, openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { sealMessage } from "../../../src/core/anonymise/message.ts";
import { sensorId, streamId } from "../../../src/core/units/ids.ts";
import { type EpochMs, epochMs } from "../../../src/core/units/time.ts";
import { OutboxError } from "../../../src/ports/outbox.ts";

// Commits so many times, acknowledges and trims meanwhile, and opens the outbox again after an error, as a node does. Tells its parent of
// each commit only when it is done: `ACK <last number> <acknowledged position> <last position> <instance> <run>`. Ends with 3 and the
// name of the error when the card stays broken.
const [directory = "", commits = "0", synchronous = "FULL", checkpointPages = "40"] = process.argv.slice(2);
const ATTEMPTS_MAX = 5;
const stream = streamId(sensorId("air-1"), "pm25");
const connect = (path: string) => new Database(path);
const connections: Database.Database[] = [];
const remember = (path: string) => {
  const db = connect(path);
  connections.push(db);
  return db;
};
const settings = () => connections.at(-1)?.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);

/** Without room the node waits and tries again. */
async function opened(attempts = 0): Promise<NodeStore> {
  try {
    return await openOutbox({ directory, randomBytes, connect: remember });
  } catch (error) {
    if (!(error instanceof OutboxError && error.code === "OUTBOX_FULL") || attempts === ATTEMPTS_MAX) throw error;
    return opened(attempts + 1);
  }
}

try {
  const outbox = await opened();
  settings();
  const begin = outbox.standing().lastSeq;
  for (let failures = 0; outbox.standing().lastSeq < begin + Number(commits); ) {
    const { lastSeq, lastPosition, acknowledgedPosition } = outbox.standing();
    const seq = lastSeq + 1;
    const payload = Buffer.from(`payload of ${seq} `.repeat(20));
    const rows = [{ seq, message: sealMessage({ topic: "p/n1/air-1/pm25/summary", payload, retain: false, expirySeconds: null }) }];
    const upTo = Math.max(acknowledgedPosition, lastPosition - 10);
    const behind = Array.from({ length: upTo - acknowledgedPosition }, (_, at) => acknowledgedPosition + 1 + at);
    const sent = behind.map((position) => ({ position, seq: position, bytes: 1, at: epochMs(lastSeq), address: "127.0.0.1:1" }));
    const nothing: EpochMs | null = null;
    try {
      await outbox.commit({
        ...{ rows, marks: new Map([[stream, { closedTo: epochMs(seq), lastStart: null }]]), facts: new Map(), madeAt: epochMs(lastSeq) },
        ...(upTo > acknowledgedPosition ? { acknowledgement: { sent, refused: [] } } : {}),
      });
      writeSync(1, `ACK ${seq} ${upTo} ${outbox.standing().lastPosition} ${outbox.instance} ${outbox.run}\n`);
      failures = 0;
      if (seq % 16 === 0) {
        const limits = { bytesMax: 1e9, pendingBefore: nothing, egressBefore: nothing, egressBytesMax: 1e9 };
        await outbox.trim({ ...limits, acknowledgedBefore: epochMs(Math.max(0, seq - 30)) });
      }
    } catch (error) {
      if (!(error instanceof OutboxError) || ++failures > ATTEMPTS_MAX) throw error;
      await outbox.reopen().then(settings, () => undefined);
    }
  }
  process.exit(0);
} catch (error) {
  const { code, message } = error as OutboxError;
  writeSync(2, `${code}: ${message}\n`);
  process.exit(error instanceof OutboxError ? 3 : 70);
}
