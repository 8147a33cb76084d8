import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { changeHash } from "../../src/adapters/sqlite/ledger-row.ts";
import { openStores, type Stores, type StoresOptions } from "../../src/adapters/sqlite/stores.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { LiveStoreError } from "../../src/ports/live-store.ts";
import { COURSES_FACT, TRUSTED_FACT } from "../../src/ports/outbox.ts";
import { chunkOf } from "../contract/live-store-contract.ts";
import { acked, batchOf, summaries } from "../contract/outbox-contract.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-stores-"));
afterAll(() => rmSync(root, { recursive: true }));

let sites = 0;
/** Opens the stores of one site, over and over. */
function site(): { readonly directory: string; open(changes?: Partial<StoresOptions>): Promise<Stores> } {
  const directory = mkdtempSync(join(root, `${sites++}-`));
  const live = { path: join(directory, "live.db"), bootId: "boot-1", bytesMax: 16e6 };
  const open = (changes: Partial<StoresOptions> = {}) =>
    openStores({ directory, live, machine: "serial 1", wallMs: 1_000, randomBytes, ...changes });
  return { directory, open };
}

const FACTS = { "privacy:terms": "{}", [COURSES_FACT]: "spans", [TRUSTED_FACT]: "1000" };

/** A run that commits summaries `from` to `to`. */
async function run({ open }: ReturnType<typeof site>, from: number, to: number): Promise<string> {
  const { outbox, live } = await open();
  await outbox.commit({ ...batchOf(summaries(from, to)), facts: new Map(Object.entries(FACTS)) });
  live.append(chunkOf([1, 2, 3], { sensitivity: "presence" }));
  await close({ outbox, live });
  return outbox.instance;
}

async function close({ outbox, live }: Stores): Promise<void> {
  live.close();
  await outbox.close();
}

const copy = (from: string, to: string): void => {
  for (const [index, file] of databaseFiles(from).entries()) {
    const target = databaseFiles(to)[index] as string;
    rmSync(target, { force: true });
    if (existsSync(file)) copyFileSync(file, target);
  }
};
const nodeDb = ({ directory }: ReturnType<typeof site>): string => join(directory, "node.db");

describe("the two stores of a node", () => {
  it("keep their names over restarts, clean or not", async () => {
    const one = site();
    const instance = await run(one, 1, 3);
    const again = await one.open();
    expect([again.outbox.instance, again.outbox.renewed, again.live.discarded]).toEqual([instance, null, null]);
    expect(again.live.held()).toHaveLength(1);
    await again.outbox.commit(batchOf(summaries(4, 5)));
    // As a kill leaves them: nothing is closed.
    const other = site();
    copy(nodeDb(one), nodeDb(other));
    copy(join(one.directory, "live.db"), join(other.directory, "live.db"));
    await close(again);
    const killed = await other.open();
    expect([killed.outbox.instance, killed.outbox.renewed, killed.live.discarded]).toEqual([instance, null, null]);
    await close(killed);
  });

  it.each([
    ["of an earlier run", 2, 2],
    ["of the same run, before its last commit", 1, 2],
  ])("notice that node.db was put back: a copy %s", async (_, runsBefore, runsAfter) => {
    const one = site();
    const copied = join(one.directory, "copy.db");
    const instance = await run(one, 1, 3);
    if (runsBefore === 2) {
      copy(nodeDb(one), copied);
      await run(one, 4, 5);
    } else {
      const { outbox, live } = await one.open();
      copy(nodeDb(one), copied);
      await outbox.commit(batchOf(summaries(4, 5)));
      await close({ outbox, live });
    }
    copy(copied, nodeDb(one));
    const { outbox, live } = await one.open();
    expect(outbox.renewed).toBe("put-back");
    expect(outbox.instance).toMatch(/^[0-9a-f]{8}$/);
    expect(outbox.instance).not.toBe(instance);
    expect(outbox.run, "no run of the node has a number twice").toBe(runsAfter + 1);
    expect([live.discarded, live.held()]).toEqual(["other-instance", []]);
    expect(await outbox.recall("privacy:terms")).toBeNull();
    // What belongs to the marks stays with them.
    expect([await outbox.recall(COURSES_FACT), await outbox.recall(TRUSTED_FACT)]).toEqual(["spans", "1000"]);
    // What waits is sent as it is, and numbers go on.
    expect((await outbox.read(0, 10)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    await outbox.commit(batchOf(summaries(4, 4)));
    await close({ outbox, live });
    const next = await one.open();
    expect([next.outbox.renewed, next.live.discarded]).toEqual([null, null]);
    await close(next);
  });

  it("notice a copy of an earlier run also when nothing but terms was written since", async () => {
    const one = site();
    const copied = join(one.directory, "copy.db");
    await run(one, 1, 3);
    copy(nodeDb(one), copied);
    const { outbox, live } = await one.open();
    await outbox.commit({ ...batchOf([]), facts: new Map([["privacy:terms", "new ones"]]) });
    await close({ outbox, live });
    copy(copied, nodeDb(one));
    const again = await one.open();
    expect(again.outbox.renewed).toBe("put-back");
    await close(again);
  });

  it("are at peace with a copy that is exactly what was there: nothing was committed since", async () => {
    const one = site();
    const copied = join(one.directory, "copy.db");
    const instance = await run(one, 1, 3);
    copy(nodeDb(one), copied);
    rmSync(nodeDb(one));
    copy(copied, nodeDb(one));
    const { outbox, live } = await one.open();
    expect([outbox.instance, outbox.renewed, live.discarded]).toEqual([instance, null, null]);
    await close({ outbox, live });
  });

  it("notice another machine, once, with or without the readings of the first", async () => {
    for (const withLive of [false, true]) {
      const [one, clone] = [site(), site()];
      const instance = await run(one, 1, 3);
      copy(nodeDb(one), nodeDb(clone));
      if (withLive) copy(join(one.directory, "live.db"), join(clone.directory, "live.db"));
      const first = await clone.open({ machine: "serial 2" });
      expect(first.outbox.renewed).toBe("other-machine");
      expect(first.outbox.instance).not.toBe(instance);
      expect(first.live.held(), "readings of the other machine are deleted unread").toEqual([]);
      await close(first);
      const second = await clone.open({ machine: "serial 2" });
      expect([second.outbox.instance, second.outbox.renewed]).toEqual([first.outbox.instance, null]);
      await close(second);
      const original = await one.open();
      expect([original.outbox.instance, original.outbox.renewed], "the first one goes on").toEqual([instance, null]);
      await close(original);
    }
  });

  it("do not compare a machine without a name, and do not forget the one that they know", async () => {
    const one = site();
    const instance = await run(one, 1, 3);
    const nameless = await one.open({ machine: null });
    expect([nameless.outbox.instance, nameless.outbox.renewed]).toEqual([instance, null]);
    await close(nameless);
    const other = await one.open({ machine: "serial 2" });
    expect(other.outbox.renewed).toBe("other-machine");
    await close(other);
  });

  it("write the renewal into the chain of changes, and the machine nowhere in clear text", async () => {
    const one = site();
    const instance = await run(one, 1, 3);
    await close(await one.open({ machine: "serial 00000000deadbeef" }));
    const db = new Database(nodeDb(one));
    const [change] = db.prepare<[], { at_ms: number; text: string; hash: string }>("SELECT at_ms, text, hash FROM change").all();
    const store = db.prepare<[], { instance: string; machine: string }>("SELECT instance, machine FROM store").get();
    db.close();
    expect(JSON.parse(change?.text ?? "")).toEqual({ instance: store?.instance, before: instance, because: "other-machine" });
    expect(change?.hash).toBe(changeHash("", change?.at_ms ?? 0, change?.text ?? ""));
    expect(store?.machine).toMatch(/^[0-9a-f]{64}$/);
  });

  it("belong together after a crash between the new name and the deletion of readings", async () => {
    const one = site();
    const copied = join(one.directory, "copy.db");
    await run(one, 1, 3);
    copy(nodeDb(one), copied);
    await run(one, 4, 5);
    copy(join(one.directory, "live.db"), join(one.directory, "old-live.db"));
    copy(copied, nodeDb(one));
    await close(await one.open());
    copy(join(one.directory, "old-live.db"), join(one.directory, "live.db"));
    const { outbox, live } = await one.open();
    expect([outbox.renewed, live.discarded, live.held()]).toEqual([null, "other-instance", []]);
    await close({ outbox, live });
  });

  it("go on when what live.db remembers cannot be written: the commit counts, and the next note makes up for it", async () => {
    const one = site();
    const { outbox, live } = await one.open();
    const note = live.noteStanding.bind(live);
    live.noteStanding = () => {
      throw new LiveStoreError("LIVE_FULL");
    };
    await outbox.commit(batchOf(summaries(1, 2)));
    const copied = join(one.directory, "copy.db");
    copy(nodeDb(one), copied);
    live.noteStanding = note;
    await outbox.commit(batchOf(summaries(3, 3)));
    await outbox.acknowledge(acked(outbox, 3));
    await close({ outbox, live });
    copy(copied, nodeDb(one));
    const again = await one.open();
    expect(again.outbox.renewed).toBe("put-back");
    await close(again);
  });

  it("do not take up an older node.db in the middle of a run", async () => {
    const one = site();
    await run(one, 1, 3);
    const copied = join(one.directory, "copy.db");
    const { outbox, live } = await one.open();
    // Of this very run: only its end is missing.
    copy(nodeDb(one), copied);
    await outbox.commit({ ...batchOf(summaries(4, 5)), madeAt: epochMs(1) });
    copy(copied, nodeDb(one));
    await expect(outbox.reopen()).rejects.toMatchObject({ code: "OUTBOX_IO" });
    await close({ outbox, live });
    const again = await one.open();
    expect(again.outbox.renewed).toBe("put-back");
    await close(again);
  });
});
