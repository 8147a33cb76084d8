import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { SALVAGE_ROWS_MAX, salvage } from "../../src/adapters/sqlite/salvage.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
import { acked, batchOf, message, summaries } from "../contract/outbox-contract.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-salvage-"));
afterAll(() => rmSync(root, { recursive: true }));

let stores = 0;
const open = (directory: string) => openOutbox({ directory, randomBytes });
const breathe = () => Promise.resolve();
const textsOf = async (outbox: Outbox) =>
  (await outbox.read(0, 100_000)).map(({ message: { payload } }) => Buffer.from(payload).toString());

/** A closed store with a meta and summaries 1 to `count`, the first 20 messages acknowledged, and pages of it spoiled. */
async function wrecked(count: number, spoil: (bytes: Buffer) => void): Promise<string> {
  const directory = join(root, String(stores++));
  const outbox = await open(directory);
  await outbox.commit(batchOf([{ message: message("a meta"), seq: null }]));
  for (let seq = 1; seq <= count; seq += 100) await outbox.commit(batchOf(summaries(seq, Math.min(100, count - seq + 1))));
  await outbox.acknowledge(acked(20));
  await outbox.close();
  const file = join(directory, "node.db");
  const bytes = readFileSync(file);
  spoil(bytes);
  writeFileSync(file, bytes);
  return directory;
}

/** Spoils the page that holds a text; and the schema's version, so that the store is put aside. */
const spoilPageOf = (text: string) => (bytes: Buffer) => {
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(2_048);
  bytes.fill(0xa5, at - (at % 2_048), at - (at % 2_048) + 2_048);
  bytes.writeUInt32BE(7, 60);
};

describe("what waited in a damaged store", () => {
  it("waits in the new one, byte for byte, but for what cannot be read; acknowledged messages and metas stay behind", async () => {
    const directory = await wrecked(300, spoilPageOf("summary 150."));
    const outbox = await open(directory);
    expect(outbox.quarantined).not.toBeNull();
    const found = await salvage(directory, outbox, breathe);
    const texts = await textsOf(outbox);
    const written = summaries(20, 281).map(({ message: { payload } }) => Buffer.from(payload).toString());
    expect(found).toEqual({ path: outbox.quarantined, rows: texts.length, damaged: 281 - texts.length });
    expect(texts.length).toBeGreaterThan(200);
    expect(texts.length).toBeLessThan(281);
    expect(written.filter((text) => texts.includes(text))).toEqual(texts);
    expect(texts.some((text) => text.startsWith("summary 150."))).toBe(false);
    expect(outbox.standing()).toMatchObject({ pendingRows: texts.length, lastSeq: 0, firstUnackedSeq: null, lost: [] });
    await outbox.commit(batchOf(summaries(1, 1)));
    await outbox.acknowledge(acked(texts.length));
    expect(outbox.standing()).toMatchObject({ pendingRows: 1, firstUnackedSeq: 1 });
    await outbox.close();
  });

  it("is taken over once, also when that was interrupted", async () => {
    const directory = await wrecked(300, (bytes) => bytes.writeUInt32BE(7, 60));
    const first = await open(directory);
    let breaths = 0;
    const dying = () => (++breaths === 3 ? Promise.reject(new Error("killed")) : Promise.resolve());
    await expect(salvage(directory, first, dying)).rejects.toThrow("killed");
    expect(first.standing().pendingRows).toBe(150);
    await first.close();
    const second = await open(directory);
    expect(await salvage(directory, second, breathe)).toMatchObject({ rows: 131 });
    const texts = await textsOf(second);
    expect(texts).toEqual(summaries(20, 281).map(({ message: { payload } }) => Buffer.from(payload).toString()));
    expect(await salvage(directory, second, breathe)).toBeNull();
    await second.close();
  });

  it("is nothing where no page can be read, and that is told", async () => {
    const directory = await wrecked(30, (bytes) => bytes.fill(0xa5));
    const outbox = await open(directory);
    expect(await salvage(directory, outbox, breathe)).toMatchObject({ rows: 0, damaged: null });
    expect(await salvage(directory, outbox, breathe)).toBeNull();
    await outbox.close();
  });

  it("is the newest where it is more than is taken over", async () => {
    const directory = await wrecked(SALVAGE_ROWS_MAX + 500, (bytes) => bytes.writeUInt32BE(7, 60));
    const outbox = await open(directory);
    expect(await salvage(directory, outbox, breathe)).toMatchObject({ rows: SALVAGE_ROWS_MAX, damaged: 0 });
    expect((await textsOf(outbox)).at(-1)).toMatch(`summary ${SALVAGE_ROWS_MAX + 500}.`);
    await outbox.close();
  });
});
