import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { salvage } from "../../src/adapters/sqlite/salvage.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { ackedRows, batchOf, meta, settle, summaries, trimAll, UNLIMITED } from "../contract/outbox-contract.ts";
import { fileOf, spoil, textsOf, WreckedStores, written } from "../support/wrecked-store.ts";

const stores = new WreckedStores();
const { open, filled, wrecked } = stores;
afterAll(() => stores.remove());

const pace = { bytesMax: 1e9, isPatient: true, goesOn: () => Promise.resolve(true) };
/** Lets so many slices of 100 rows be taken over, and no more. */
const slices = (count: number, bytesMax = 1e9) => {
  let taken = 0;
  return { bytesMax, isPatient: true, goesOn: () => Promise.resolve(++taken < count) };
};

const spoilPageOf = (text: string) => (bytes: Buffer) => {
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(2_048);
  bytes.fill(0xa5, at - (at % 2_048), at - (at % 2_048) + 2_048);
};

function alter(directory: string, sql: string): void {
  const db = new Database(fileOf(directory));
  db.exec(sql);
  db.close();
}

describe("what waited in a damaged store", () => {
  it("waits in the new one, byte for byte, but for what cannot be read; acknowledged messages and metas stay behind", async () => {
    const directory = await wrecked(300, spoilPageOf("summary 150."));
    const outbox = await open(directory);
    expect(outbox.quarantined).not.toBeNull();
    const found = await salvage(directory, outbox, pace);
    const texts = await textsOf(outbox);
    const damaged = 281 - texts.length;
    expect(found).toEqual([{ path: outbox.quarantined, rows: texts.length, damaged, left: 0 }]);
    expect(texts.length).toBeGreaterThan(200);
    expect(damaged).toBeGreaterThan(0);
    expect(written(20, 281).filter((text) => texts.includes(text))).toEqual(texts);
    expect(texts.some((text) => text.startsWith("summary 150."))).toBe(false);
    const standing = { pendingRows: texts.length, lastSeq: 0, firstUnackedSeq: null, lost: [], lostEarlier: damaged };
    expect(outbox.standing()).toMatchObject(standing);
    await outbox.commit(batchOf(summaries(1, 1)));
    await settle(outbox, texts.length);
    expect(outbox.standing()).toMatchObject({ pendingRows: 1, firstUnackedSeq: 1, lostEarlier: damaged });
    await outbox.close();
  });

  it("is not sent again where it had overtaken what waited", async () => {
    const directory = await filled(60);
    const before = await open(directory);
    const overtook = (await before.read(0, 100)).filter(({ position }) => position % 3 === 0);
    await before.acknowledge(ackedRows(overtook));
    await before.close();
    spoil(directory);
    const outbox = await open(directory);
    expect(await salvage(directory, outbox, pace)).toMatchObject([{ rows: 41 - overtook.length, damaged: 0, left: 0 }]);
    const gone = overtook.map(({ message }) => Buffer.from(message.payload).toString());
    expect(await textsOf(outbox)).toEqual(written(20, 41).filter((text) => !gone.includes(text)));
    await outbox.close();
  });

  it("is taken over once, also when that was interrupted, and counted once", async () => {
    const directory = await wrecked(300, spoilPageOf("summary 150."));
    const first = await open(directory);
    const [interrupted] = await salvage(directory, first, slices(2));
    expect(interrupted?.damaged).toBeGreaterThan(0);
    expect(interrupted?.left).toBeGreaterThan(40);
    expect(first.standing()).toMatchObject({ pendingRows: interrupted?.rows, lostEarlier: 0 });
    await first.close();
    const second = await open(directory);
    const [{ rows, damaged } = { rows: 0, damaged: null }] = await salvage(directory, second, pace);
    expect([rows + (damaged ?? 0), second.standing().lostEarlier]).toEqual([281, damaged]);
    const texts = await textsOf(second);
    expect(texts).toEqual(written(20, 281).filter((text) => texts.includes(text)));
    expect(texts).toHaveLength(rows);
    expect(await salvage(directory, second, pace)).toEqual([]);
    await second.close();
  });

  it("is nothing where no page can be read, and that is told", async () => {
    const directory = await wrecked(30, (bytes) => bytes.fill(0xa5));
    const outbox = await open(directory);
    expect(await salvage(directory, outbox, pace)).toMatchObject([{ rows: 0, damaged: null, left: 0 }]);
    expect(outbox.standing().lostEarlier).toBeNull();
    expect(await salvage(directory, outbox, pace)).toEqual([]);
    await outbox.close();
  });

  it("is taken whole however much it is, the oldest first, 100 rows a commit", async () => {
    const directory = await wrecked(20_500);
    const outbox = await open(directory);
    let most = 0;
    const goesOn = () => {
      most = Math.max(most, outbox.standing().pendingRows - before);
      before = outbox.standing().pendingRows;
      return Promise.resolve(true);
    };
    let before = 0;
    expect(await salvage(directory, outbox, { ...pace, goesOn })).toMatchObject([{ rows: 20_481, damaged: 0, left: 0 }]);
    expect(await textsOf(outbox)).toEqual(written(20, 20_481));
    expect(most).toBe(100);
    await outbox.close();
  });

  it("is taken up to the page where the table cannot be read any more, and nobody knows how much is missing", async () => {
    const directory = await wrecked(300, (bytes) => {
      const at = bytes.lastIndexOf("summary 300.");
      bytes.fill(0xa5, at - (at % 2_048), at - (at % 2_048) + 2_048);
    });
    const outbox = await open(directory);
    const [found] = await salvage(directory, outbox, pace);
    expect(found).toMatchObject({ damaged: null, left: 0 });
    expect(found?.rows).toBeGreaterThan(200);
    expect(await textsOf(outbox)).toEqual(written(20, found?.rows ?? 0));
    await outbox.close();
  });

  it("begins with the first row that is there when the mark cannot be read, and what was deleted long ago is not damaged", async () => {
    const directory = await filled(300);
    const before = await open(directory);
    await settle(before, 100, 1);
    await trimAll(before, { acknowledgedBefore: epochMs(2) });
    await before.close();
    alter(directory, "UPDATE standing SET crc = crc + 1");
    spoil(directory);
    const outbox = await open(directory);
    expect(await salvage(directory, outbox, pace)).toMatchObject([{ rows: 201, damaged: 0 }]);
    await outbox.close();
  });

  it("stays where it is while the outbox has no room for it, and is said to", async () => {
    const directory = await wrecked(500);
    const outbox = await open(directory);
    const small = { ...pace, bytesMax: 200 * 40 };
    expect(await salvage(directory, outbox, small)).toMatchObject([{ rows: 200, damaged: 0, left: 281 }]);
    await trimAll(outbox, { ...UNLIMITED, bytesMax: small.bytesMax });
    expect(outbox.standing()).toMatchObject({ pendingRows: 200, lostEarlier: 0 });
    await settle(outbox, 150);
    expect(await salvage(directory, outbox, small)).toMatchObject([{ rows: 300, left: 181 }]);
    await settle(outbox, 299);
    expect(await salvage(directory, outbox, pace)).toMatchObject([{ rows: 481, damaged: 0, left: 0 }]);
    expect(await textsOf(outbox)).toEqual(written(319, 182));
    await outbox.close();
  });
});

describe("what was taken over", () => {
  it("is taken over again when its new store is damaged too before it was sent", async () => {
    const directory = await wrecked(300);
    const first = await open(directory);
    await salvage(directory, first, pace);
    await first.commit(batchOf([meta("a meta of the second store"), ...summaries(1, 5)]));
    await settle(first, 81);
    await first.close();
    spoil(directory);
    const second = await open(directory);
    expect(await salvage(directory, second, pace)).toMatchObject([{ path: second.quarantined, rows: 205, damaged: 0 }]);
    expect(await textsOf(second)).toEqual([...written(101, 200), ...written(1, 5)]);
    expect(existsSync(fileOf(directory, 1)), "it was done with").toBe(false);
    await second.close();
  });

  it("was not all when the new store was damaged: the first file stays, its rest is taken over from there, and then it goes", async () => {
    const directory = await wrecked(500);
    const first = await open(directory);
    await salvage(directory, first, slices(2));
    await first.commit(batchOf(summaries(1, 3)));
    await first.close();
    spoil(directory);
    const second = await open(directory);
    expect([existsSync(fileOf(directory, 1)), existsSync(fileOf(directory, 2))]).toEqual([true, true]);
    const found = await salvage(directory, second, pace);
    expect(found).toMatchObject([
      { path: fileOf(directory, 1), rows: 481, damaged: 0, left: 0 },
      { path: fileOf(directory, 2), rows: 203, damaged: 0, left: 0 },
    ]);
    const texts = await textsOf(second);
    expect(texts.sort()).toEqual([...written(20, 481), ...written(1, 3)].sort());
    expect([existsSync(fileOf(directory, 1)), existsSync(fileOf(directory, 2))]).toEqual([false, true]);
    await second.close();
  });

  it("is counted once where it is damaged, also when a replay comes across it again", async () => {
    const directory = await wrecked(219);
    const first = await open(directory);
    await salvage(directory, first, pace);
    await first.commit(batchOf(summaries(1, 2), 2));
    await first.close();
    alter(directory, "UPDATE outbox SET payload = CAST('{}' AS BLOB) WHERE position IN (50, 60)");
    const outbox = await open(directory);
    await settle(outbox, 202);
    expect(outbox.standing()).toMatchObject({ lostEarlier: 2, pendingRows: 0 });
    for (let time = 0; time < 3; time++) {
      expect(await outbox.rewind(1)).toMatchObject({ seq: 1 });
      await outbox.reopen();
      await settle(outbox, 202);
    }
    expect(outbox.standing()).toMatchObject({ lostEarlier: 2, pendingRows: 0, lost: [] });
    await outbox.close();
  });

  it("is counted when it grows too old, is refused, or is damaged, for it has no number here", async () => {
    const directory = await wrecked(219);
    const first = await open(directory);
    await salvage(directory, first, pace);
    await first.commit(batchOf([meta("m"), ...summaries(1, 2)], 2));
    await first.close();
    alter(directory, "UPDATE outbox SET payload = CAST('{}' AS BLOB) WHERE position IN (50, 60, 201)");
    const outbox = await open(directory);
    expect(await textsOf(outbox)).toHaveLength(200);
    expect(outbox.standing(), "the meta is no loss").toMatchObject({ lostEarlier: 2, lost: [] });
    await settle(outbox, 20, 0, [20]);
    expect(outbox.standing()).toMatchObject({ lostEarlier: 3 });
    await settle(outbox, 70);
    await trimAll(outbox, { pendingBefore: epochMs(1) });
    expect(outbox.standing()).toMatchObject({ lostEarlier: 133, lost: [], pendingRows: 2, firstUnackedSeq: 1, lastSeq: 2 });
    await outbox.close();
  });

  it("leaves the numbers of the new store what they are, at each place of the queue and after each start", async () => {
    const directory = await wrecked(619);
    const outbox = await open(directory);
    await outbox.commit(batchOf(summaries(1, 2)));
    for (const seq of [3, 4, 5, 6]) {
      await salvage(directory, outbox, slices(1));
      await outbox.commit(batchOf([...summaries(seq, 1), meta("m")]));
    }
    await salvage(directory, outbox, pace);
    await outbox.reopen();
    expect(outbox.standing()).toMatchObject({ lastSeq: 6, firstUnackedSeq: 1, pendingRows: 610 });
    const rows = await outbox.read(0, 1_000);
    for (let position = 1; position <= 610; position += 7) {
      await settle(outbox, position);
      if (position % 5 === 0) await outbox.reopen();
      const next = rows.find((row) => row.position > position && row.seq !== null)?.seq ?? null;
      expect(outbox.standing()).toMatchObject({ lastSeq: 6, firstUnackedSeq: next, lost: [] });
    }
    expect(await outbox.rewind(7)).toBeNull();
    expect(await outbox.rewind(4)).toMatchObject({ seq: 4 });
    expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 4 });
    await outbox.close();
  });
});
