import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { type Outbox, OutboxError } from "../../src/ports/outbox.ts";
import { acked, batchOf, STREAM, summaries, UNLIMITED } from "../contract/outbox-contract.ts";
import { FaultPlan, faultyConnect } from "./support/faulty-connection.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-faults-"));
afterAll(() => rmSync(root, { recursive: true }));

let stores = 0;
const freshDirectory = () => join(root, String(stores++));

const closedTo = (seq: number) => new Map([[STREAM, { closedTo: epochMs(seq), lastStart: null }]]);

/** What a publisher and a window closer do between them, as steps that can be asked whether they are done. */
const STEPS: readonly { done(outbox: Outbox): boolean; act(outbox: Outbox): Promise<unknown> }[] = [
  { done: (outbox) => outbox.standing().lastSeq >= 3, act: (outbox) => outbox.commit({ ...batchOf(summaries(1, 3)), marks: closedTo(3) }) },
  { done: (outbox) => outbox.standing().acknowledgedPosition >= 2, act: (outbox) => outbox.acknowledge(acked(outbox, 2)) },
  { done: (outbox) => outbox.standing().lastSeq >= 5, act: (outbox) => outbox.commit({ ...batchOf(summaries(4, 2)), marks: closedTo(5) }) },
  { done: (outbox) => outbox.standing().pendingRows <= 2, act: (outbox) => outbox.trim({ ...UNLIMITED, bytesMax: 80 }) },
];

describe("an I/O error of the card", () => {
  it.each([false, true])("at any call loses nothing and doubles nothing (sticky until reopened: %s)", async (sticky) => {
    let faults = 0;
    for (let failAt = 1; faults === failAt - 1; failAt++) {
      const plan = new FaultPlan();
      const outbox = await openOutbox({ directory: freshDirectory(), randomBytes, connect: faultyConnect(plan) });
      plan.arm(failAt, { sticky });
      for (const step of STEPS) {
        while (!step.done(outbox)) {
          try {
            await step.act(outbox);
          } catch (error) {
            if (!(error instanceof OutboxError)) throw error;
            faults++;
            expect(error.code).toBe("OUTBOX_IO");
            await expect(outbox.commit(batchOf([]))).rejects.toMatchObject({ code: "OUTBOX_IO" });
            plan.disarm();
            await outbox.reopen();
          }
        }
      }
      plan.disarm();
      expect((await outbox.read(0, 10)).map((row) => [row.position, row.seq])).toEqual([
        [4, 4],
        [5, 5],
      ]);
      expect(await outbox.marks()).toEqual(closedTo(5));
      expect(outbox.standing()).toMatchObject({ pendingBytes: 80, lost: [{ fromSeq: 3, toSeq: 3, reason: "outbox-full" }] });
      await outbox.close();
    }
    expect(faults).toBeGreaterThan(15);
  });

  it("that passes does not cost a store its place; one that stays does", async () => {
    const directory = freshDirectory();
    const first = await openOutbox({ directory, randomBytes });
    await first.commit(batchOf(summaries(1, 2)));
    await first.close();
    const plan = new FaultPlan();
    plan.arm(2, { code: "SQLITE_IOERR_READ" });
    const second = await openOutbox({ directory, randomBytes, connect: faultyConnect(plan) });
    expect([second.quarantined, second.instance]).toEqual([null, first.instance]);
    await second.close();
    plan.arm(2, { code: "SQLITE_IOERR_READ", sticky: true });
    await expect(openOutbox({ directory, randomBytes, connect: faultyConnect(plan) })).rejects.toMatchObject({ code: "OUTBOX_IO" });
    const third = await openOutbox({ directory, randomBytes });
    expect(third.standing().lastSeq).toBe(0);
    await third.close();
  });

  it("that is about writing never costs a store its place, however long it stays", async () => {
    const directory = freshDirectory();
    const first = await openOutbox({ directory, randomBytes });
    await first.commit(batchOf(summaries(1, 2)));
    await first.close();
    const plan = new FaultPlan();
    for (const code of ["SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE"]) {
      plan.arm(2, { code, sticky: true });
      await expect(openOutbox({ directory, randomBytes, connect: faultyConnect(plan) })).rejects.toMatchObject({ code: "OUTBOX_IO" });
    }
    const second = await openOutbox({ directory, randomBytes });
    expect([second.quarantined, second.instance, second.standing().lastSeq]).toEqual([null, first.instance, 2]);
    await second.close();
  });

  it("of a full disk at start is told as such, and the store stays where it is", async () => {
    const directory = freshDirectory();
    await (await openOutbox({ directory, randomBytes })).close();
    const plan = new FaultPlan();
    plan.arm(1, { code: "SQLITE_FULL", sticky: true });
    await expect(openOutbox({ directory, randomBytes, connect: faultyConnect(plan) })).rejects.toMatchObject({ code: "OUTBOX_FULL" });
    expect(existsSync(join(directory, "node.db.corrupt-1"))).toBe(false);
  });
});

describe("a store with damage anywhere", () => {
  const ROWS = 300;
  const payloads = new Map(summaries(1, ROWS).map(({ seq, message }) => [seq, Buffer.from(message.payload).toString()]));

  /** The files of a store in use, as a power cut leaves them. */
  async function pulledPlug(): Promise<string> {
    const [directory, copy] = [freshDirectory(), freshDirectory()];
    const outbox = await openOutbox({ directory, randomBytes });
    for (let seq = 1; seq <= ROWS; seq += 10) await outbox.commit({ ...batchOf(summaries(seq, 10)), marks: closedTo(seq) });
    await outbox.acknowledge(acked(outbox, 20));
    await outbox.reopen();
    mkdirSync(copy);
    copyStore(directory, copy);
    await outbox.close();
    return copy;
  }

  function copyStore(from: string, to: string): void {
    const targets = databaseFiles(join(to, "node.db"));
    for (const [index, file] of databaseFiles(join(from, "node.db")).entries())
      if (existsSync(file)) copyFileSync(file, targets[index] ?? "");
  }

  it("opens with a flipped bit in any byte of its header", async () => {
    const sound = await pulledPlug();
    const bytes = readFileSync(join(sound, "node.db"));
    let quarantined = 0;
    for (let byte = 0; byte < 100; byte++) {
      const directory = freshDirectory();
      mkdirSync(directory);
      const damaged = Buffer.from(bytes);
      damaged[byte] = (damaged[byte] ?? 0) ^ (1 << (byte % 8));
      writeFileSync(join(directory, "node.db"), damaged);
      const outbox = await openOutbox({ directory, randomBytes });
      if (outbox.quarantined !== null) quarantined++;
      await outbox.commit(batchOf(summaries(outbox.standing().lastSeq + 1, 1)));
      await outbox.close();
    }
    expect(quarantined).toBeGreaterThan(10);
  });

  const damage = fc.record({
    // Evenly over the file: doubles would be even over their bits, which is mostly the first page.
    at: fc.integer({ min: 0, max: 999_999 }).map((millionth) => millionth / 1e6),
    kind: fc.oneof(fc.record({ bit: fc.integer({ min: 0, max: 7 }) }), fc.record({ sector: fc.integer({ min: 0, max: 255 }) })),
  });

  it("always opens: what it gives is what was written, and what is missing is reported or moved aside", async () => {
    const sound = await pulledPlug();
    const verdicts = { quarantined: 0, lost: 0, harmless: 0 };
    const inspect = async ({ at, kind }: typeof damage extends fc.Arbitrary<infer T> ? T : never) => {
      const directory = freshDirectory();
      mkdirSync(directory);
      copyStore(sound, directory);
      const file = join(directory, "node.db");
      const bytes = readFileSync(file);
      const offset = Math.floor(at * bytes.length);
      if ("bit" in kind) bytes[offset] = (bytes[offset] ?? 0) ^ (1 << kind.bit);
      else bytes.fill(kind.sector, offset - (offset % 512), offset - (offset % 512) + 512);
      writeFileSync(file, bytes);
      const outbox = await openOutbox({ directory, randomBytes });
      const rows = await outbox.read(0, 10_000);
      for (const { seq, message } of rows) expect(Buffer.from(message.payload).toString()).toBe(payloads.get(seq ?? 0));
      if (outbox.quarantined === null) {
        const lost = outbox
          .standing()
          .lost.flatMap(({ fromSeq, toSeq }) => Array.from({ length: toSeq - fromSeq + 1 }, (_, n) => fromSeq + n));
        const seen = new Set([...rows.map((row) => row.seq ?? 0), ...lost]);
        for (let seq = 21; seq <= ROWS; seq++) expect(seen.has(seq)).toBe(true);
        verdicts[lost.length > 0 ? "lost" : "harmless"]++;
      } else {
        expect(rows).toEqual([]);
        verdicts.quarantined++;
      }
      await outbox.close();
    };
    await fc.assert(fc.asyncProperty(damage, inspect), { numRuns: 60, endOnFailure: true });
    // The test means nothing when damage never hits.
    expect(verdicts.quarantined).toBeGreaterThan(0);
    expect(verdicts.lost).toBeGreaterThan(0);
  });
});
