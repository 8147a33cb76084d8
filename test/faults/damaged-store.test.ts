import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { type NodeStore, openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { salvage } from "../../src/adapters/sqlite/salvage.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { acked, batchOf, message, STREAM } from "../contract/outbox-contract.ts";
import { randomOf } from "../support/crash-explorer.ts";
import { faultRow } from "../support/fault-table.ts";
import { announcedSeed } from "../support/seed.ts";

const COPIES = 400;
const ROWS = 1_000;
const ACKED = 200;
const root = mkdtempSync(join(tmpdir(), "stoep-damage-"));
afterAll(() => rmSync(root, { recursive: true }));

const textOf = (seq: number): string => `summary ${seq} `.repeat(20);
const summary = (seq: number) => ({ message: message(textOf(seq), 400), seq });
const payloads = new Map(Array.from({ length: ROWS }, (_, at) => [at + 1, Buffer.from(summary(at + 1).message.payload).toString()]));
const seqOf = new Map([...payloads].map(([seq, text]) => [text, seq]));

function copyStore(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const targets = databaseFiles(join(to, "node.db"));
  for (const [index, file] of databaseFiles(join(from, "node.db")).entries())
    if (existsSync(file)) copyFileSync(file, targets[index] ?? "");
}

/** The files of a store in use, as a power cut leaves them; the mark says what the last row says. */
async function pulledPlug(): Promise<string> {
  const [directory, copy] = [join(root, "used"), join(root, "sound")];
  const outbox = await openOutbox({ directory, randomBytes });
  for (let seq = 1; seq <= ROWS; seq += 20) {
    const rows = Array.from({ length: 20 }, (_, at) => summary(seq + at));
    await outbox.commit({ ...batchOf(rows), marks: new Map([[STREAM, { closedTo: epochMs(seq + 19), lastStart: null }]]) });
  }
  await outbox.acknowledge(acked(outbox, ACKED));
  await outbox.reopen();
  copyStore(directory, copy);
  await outbox.close();
  return copy;
}

/** Every row that waits, page by page, as the publisher reads them. */
async function everyRow(outbox: NodeStore) {
  const texts: string[] = [];
  for (let cursor = 0; ; ) {
    const rows = await outbox.read(cursor, 100);
    const last = rows.at(-1);
    if (last === undefined) return texts;
    texts.push(...rows.map((row) => Buffer.from(row.message.payload).toString()));
    cursor = last.position;
  }
}

it(`${COPIES} damaged copies of a store: no damaged row is sent, every start succeeds, what is missing is counted`, async () => {
  const sound = await pulledPlug();
  const random = randomOf(announcedSeed("damaged copies"));
  const bytes = readFileSync(join(sound, "node.db"));
  const seen = { quarantined: 0, lost: 0, harmless: 0, salvaged: 0, missing: 0, repaired: 0 };
  for (let copy = 0; copy < COPIES; copy++) {
    const directory = join(root, "copy");
    copyStore(sound, directory);
    const damaged = Buffer.from(bytes);
    // Half of them a flipped bit, half a sector of garbage.
    const at = Math.floor(random() * damaged.length);
    if (copy % 2 === 0) damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    else for (let byte = at - (at % 512); byte < at - (at % 512) + 512; byte++) damaged[byte] = Math.floor(random() * 256);
    writeFileSync(join(directory, "node.db"), damaged);

    const outbox = await openOutbox({ directory, randomBytes });
    const [salvaged] = await salvage(directory, outbox, { bytesMax: 1e9, isPatient: true, goesOn: () => Promise.resolve(true) });
    const texts = await everyRow(outbox);
    const seqs = texts.map((text) => seqOf.get(text) ?? 0);
    expect(seqs, "byte for byte").not.toContain(0);
    expect(new Set(seqs).size, "none twice").toBe(seqs.length);
    const lost = outbox.standing().lost.flatMap(({ fromSeq, toSeq }) => Array.from({ length: toSeq - fromSeq + 1 }, (_, n) => fromSeq + n));
    if (outbox.quarantined === null) {
      const told = new Set([...seqs, ...lost]);
      for (let seq = ACKED + 1; seq <= ROWS; seq++) expect(told.has(seq), `${seq} is there or told as lost`).toBe(true);
      const mark = (await outbox.marks()).get(STREAM);
      expect(mark?.closedTo ?? (outbox.isDoubtful ? ROWS : null), "a mark is what was written, or none").toBe(ROWS);
      seen[lost.length > 0 ? "lost" : "harmless"]++;
      if (outbox.repaired > 0) seen.repaired++;
      seen.missing += lost.length;
    } else {
      expect(salvaged).toMatchObject({ rows: seqs.length, left: 0 });
      expect(outbox.standing().lostEarlier).toBe(salvaged?.damaged);
      seen.quarantined++;
      seen.salvaged += seqs.length;
      if (salvaged?.damaged !== null) {
        expect((salvaged?.damaged ?? 0) + seqs.length).toBeGreaterThanOrEqual(ROWS - ACKED);
        seen.missing += salvaged?.damaged ?? 0;
      }
    }
    await outbox.commit(batchOf([summary(outbox.standing().lastSeq + 1)]));
    await outbox.close();
    rmSync(directory, { recursive: true });
  }
  // The test means nothing when damage never hits.
  for (const count of [seen.quarantined, seen.lost, seen.harmless, seen.salvaged]) expect(count).toBeGreaterThan(10);
  faultRow({
    fault: "Card: bit rot, a damaged page",
    injected: `${COPIES} copies of a store of ${ROWS} summaries, half with a flipped bit, half with a sector of garbage`,
    promised: "a damaged row is never sent; the node starts; what waits is salvaged byte for byte; what is missing is counted",
    measured: [
      `0 damaged rows sent, ${COPIES} starts; ${seen.quarantined} files put aside, ${seen.salvaged} summaries salvaged`,
      `${seen.lost} with rows told as lost`,
    ].join("; "),
  });
});
