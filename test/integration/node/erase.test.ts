import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStores } from "../../../src/adapters/sqlite/stores.ts";
import { sealMessage } from "../../../src/core/anonymise/message.ts";
import { chunkOf } from "../../contract/live-store-contract.ts";
import { batchOf } from "../../contract/outbox-contract.ts";
import { openLab } from "../../support/lab.ts";
import { type NodeSite, stoep } from "../../support/node-process.ts";

const BROKER = { url: "mqtt://127.0.0.1:1" };
const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };
/** What must not be found again: in a summary, and in a reading as a record holds it. */
const CANARY = "canary-of-a-summary";
const CANARY_VALUE = 12345.678901234567;
const canaries = [Buffer.from(CANARY), Buffer.from(Float64Array.of(CANARY_VALUE).buffer)];

const filesOf = (...folders: readonly string[]): readonly string[] =>
  folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
const holders = (files: readonly string[]): readonly string[] =>
  files.filter((path) => canaries.some((canary) => readFileSync(path).includes(canary)));

/** Stores as a kill leaves them, with write-ahead logs, and one that was put aside. */
async function filled(site: NodeSite): Promise<void> {
  const live = { path: join(site.live, "live.db"), bootId: "boot-1", bytesMax: 16e6 };
  const stores = await openStores({ directory: site.storage, live, machine: null, wallMs: 0, randomBytes });
  const payload = Buffer.from(CANARY.repeat(1_000));
  const message = sealMessage({ topic: "p/n1/air-1/pm25/summary", payload, retain: false, expirySeconds: null });
  await stores.outbox.commit(batchOf([{ message, seq: 1 }]));
  stores.live.append(chunkOf(new Array(2_000).fill(CANARY_VALUE), { sensitivity: "presence" }));
  const left = new Map(filesOf(site.storage, site.live).map((path) => [path, readFileSync(path)]));
  stores.live.close();
  await stores.outbox.close();
  for (const [path, bytes] of left) writeFileSync(path, bytes);
  for (const name of ["node.db.corrupt-1", "node.db.corrupt-1-wal"]) writeFileSync(join(site.storage, name), CANARY);
}

describe("stoep erase", () => {
  it("overwrites every store before it deletes it, and no canary is found again", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    await filled(site);
    writeFileSync(join(site.storage, "config.good.yaml"), CANARY);
    const before = filesOf(site.storage, site.live);
    expect(holders(before).length, "they hold the canaries, where this test can find them").toBeGreaterThanOrEqual(4);
    // A second name for each file shows what became of its bytes.
    const names = join(site.folder, "second-names");
    mkdirSync(names);
    const inStorage = before.filter((path) => path.startsWith(site.storage));
    for (const [index, path] of inStorage.entries()) linkSync(path, join(names, String(index)));

    const { code, stdout, stderr } = await stoep(["erase", site.file, "--yes", "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout);
    expect(report.files.map(({ path }: { path: string }) => path).sort()).toEqual([...before].sort());
    expect(new Set(report.files.map(({ state }: { state: string }) => state))).toEqual(new Set(["erased"]));
    expect(filesOf(site.storage, site.live)).toEqual([]);
    const bytes = filesOf(names).map((path) => readFileSync(path));
    expect(bytes.some(({ length }) => length > 10_000)).toBe(true);
    for (const one of bytes) expect(one.every((byte) => byte === 0)).toBe(true);
  });

  it("lists what it would erase, erases nothing without --yes, and ends with 64", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    await filled(site);
    const before = holders(filesOf(site.storage, site.live));
    const { code, stdout, stderr } = await stoep(["erase", site.file]);
    expect(code).toBe(64);
    expect(stdout).toMatch(/^To be erased\n/);
    expect(stdout).toMatch(/node\.db\.corrupt-1 +19 bytes/);
    expect(stdout).toMatch(/live\.db +\d+ bytes/);
    expect(stderr).toContain("What to do: type stoep erase --yes");
    expect(holders(filesOf(site.storage, site.live))).toEqual(before);
  });

  it("says what it could not reach", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    const { code, stdout } = await stoep(["erase", site.file, "--yes"]);
    expect(code).toBe(0);
    expect(stdout).toContain("nothing: there is no store");
    for (const part of ["flash", "memory that processes", "the broker", "backups", "the log", "certificate"])
      expect(stdout).toContain(part);
  });

  it("leaves alone what is no store, links among it, and names it", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    const elsewhere = join(site.folder, "elsewhere.db");
    writeFileSync(elsewhere, CANARY);
    symlinkSync(elsewhere, join(site.storage, "node.db"));
    writeFileSync(join(site.storage, "node.db.bak"), CANARY);
    writeFileSync(join(site.storage, "config.yaml"), "");
    writeFileSync(join(site.live, "somebody-elses"), "");
    const { code, stdout } = await stoep(["erase", site.file, "--yes", "--json"]);
    expect(code).toBe(0);
    const { files, leftAlone } = JSON.parse(stdout);
    expect(files).toEqual([]);
    expect(leftAlone).toEqual(["config.yaml", "node.db", "node.db.bak"].map((name) => join(site.storage, name)));
    expect(readFileSync(elsewhere, "utf8")).toBe(CANARY);
  });

  it("ends with 69 beside a running node, and touches nothing", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    const node = await site.runUntilReady();
    const { code, stderr } = await stoep(["erase", site.file, "--yes"]);
    expect(code).toBe(69);
    expect(stderr).toMatch(/another node works in .* What to do: stop it first/);
    expect(existsSync(join(site.storage, "node.db"))).toBe(true);
    expect((await site.status()).status.state).toBe("online");
    expect((await node.stop()).code).toBe(0);
    expect((await stoep(["erase", site.file, "--yes"])).code).toBe(0);
    const again = await site.runUntilReady();
    expect(again.events("NodeStarting")[0]?.run, "a node that starts after it is a new one").toBe(1);
    expect(again.events("NodeStarting")[0]?.instance).not.toBe(node.events("NodeStarting")[0]?.instance);
  });

  it("ends with 0 where there was never a node, makes nothing there, and with 78 when the file is wrong", async () => {
    const site = openLab().site({ broker: BROKER, sensors });
    rmSync(site.storage, { recursive: true });
    expect((await stoep(["erase", site.file, "--yes"])).code).toBe(0);
    expect(existsSync(site.storage)).toBe(false);
    writeFileSync(site.file, "stoep: 1\n");
    expect((await stoep(["erase", site.file, "--yes"])).code).toBe(78);
  });
});
