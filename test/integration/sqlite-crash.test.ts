import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { ChunkReader } from "../../src/core/reading/record.ts";
import { durationMs, epochMs } from "../../src/core/units/time.ts";
import { compileForNode } from "./support/compile.ts";

const CYCLES = 10;
const directory = mkdtempSync(join(tmpdir(), "stoep-crash-"));
const compiled: { folder: string; file: string }[] = [];

beforeAll(() => {
  for (const child of ["outbox-writer.ts", "live-writer.ts"]) compiled.push(compileForNode(join(import.meta.dirname, "children", child)));
});
afterAll(() => {
  for (const folder of [directory, ...compiled.map((child) => child.folder)]) rmSync(folder, { recursive: true, force: true });
});

/** Runs a child until it has told of `acksMin` commits, kills it in the middle of whatever it does, gives the last it told of. */
async function lastAckOfKilled(child: number, argument: string, acksMin: number): Promise<number[]> {
  const process = spawn(globalThis.process.execPath, [compiled[child]?.file ?? "", argument], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => process.once("close", resolve));
  let acks: number[] = [];
  let count = 0;
  for await (const line of createInterface({ input: process.stdout })) {
    acks = line.split(" ").slice(1).map(Number);
    if (++count === acksMin) process.kill("SIGKILL");
  }
  await ended;
  expect(count).toBeGreaterThanOrEqual(acksMin);
  return acks;
}

describe("a process that is killed at any moment", () => {
  it("keeps every summary that was committed, whole, with the mark that belongs to it", async () => {
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      const [ackedSeq = 0, ackedPosition = 0] = await lastAckOfKilled(0, directory, randomInt(1, 120));
      const outbox = await openOutbox({ directory, randomBytes });
      const { lastSeq, lastPosition, acknowledgedPosition, lost } = outbox.standing();
      expect(outbox.quarantined).toBeNull();
      expect(outbox.run).toBe(2 * cycle);
      expect(lastSeq).toBeGreaterThanOrEqual(ackedSeq);
      expect(acknowledgedPosition).toBeGreaterThanOrEqual(ackedPosition);
      expect(lost).toEqual([]);
      expect([...(await outbox.marks()).values()]).toEqual([{ closedTo: lastSeq, lastStart: null }]);
      const rows = await outbox.read(0, 1_000);
      expect(rows.map((row) => row.position)).toEqual(
        Array.from({ length: lastPosition - acknowledgedPosition }, (_, at) => acknowledgedPosition + 1 + at),
      );
      for (const { position, seq, message } of rows) {
        expect(seq).toBe(position);
        expect(Buffer.from(message.payload).toString()).toBe(`payload of ${seq} `.repeat(20));
      }
      // Killed too, in a way: the next run must find that this one was not closed.
      if (cycle % 2 === 0) await outbox.close();
    }
  });

  it("keeps every chunk of live readings that was appended, whole, within the same boot", async () => {
    const path = join(directory, "live.db");
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      const [acked = 0] = await lastAckOfKilled(1, path, randomInt(1, 400));
      const store = openLiveStore({ path, instance: "0badcafe", bootId: "boot-1", bytesMax: 64 * 1024 * 1024 });
      expect(store.discarded).toBeNull();
      const chunks = [...store.read(durationMs(300_000), epochMs(0))];
      expect(chunks.length).toBeGreaterThanOrEqual(acked);
      for (const [index, { data }] of chunks.entries()) {
        const reader = new ChunkReader(data);
        expect(new Set(Array.from({ length: reader.count }, (_, at) => reader.value(at)))).toEqual(new Set([index + 1]));
      }
      store.close();
    }
  });
});
