import { randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { createEvidenceLog } from "../../src/adapters/residency/evidence-log.ts";
import { openEgressLog } from "../../src/adapters/sqlite/egress-log.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { readArguments } from "../../src/cli/command.ts";
import { egress, sinceOf } from "../../src/cli/egress.ts";
import { epochMs } from "../../src/core/units/time.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
import { batchOf, meta, summaries, UNLIMITED } from "../contract/outbox-contract.ts";
import { newEvidence } from "../support/evidence.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-egress-"));
afterAll(() => rmSync(root, { recursive: true }));

const NOON = Date.UTC(2026, 10, 23, 12);
const HOUR = 3_600_000;
let folders = 0;

/** A folder with a node file and what is in its store. */
async function site(fill: (outbox: Outbox) => Promise<void>): Promise<{ file: string; directory: string; outbox: Outbox }> {
  const directory = join(root, String(folders++));
  const outbox = await openOutbox({ directory, randomBytes });
  await fill(outbox);
  const file = join(directory, "node.yaml");
  const sensors = "sensors: { air-1: { driver: sds011, serial: { path: /dev/ttyS0 } } }";
  writeFileSync(
    file,
    `stoep: 1\nnode: { id: n1 }\nbroker: { url: "mqtt://127.0.0.1", prefix: p }\n${sensors}\nstorage: { directory: . }\n`,
  );
  return { file, directory, outbox };
}

const terms = (epsilonMicro: number, more: object = {}) =>
  JSON.stringify({
    born: NOON,
    pausedUntil: 0,
    damagedSeen: 0,
    streams: {
      "gate-1.passages": {
        account: "node",
        text: JSON.stringify({ channel: "passages", windowMs: 900_000, policy: "noised", epsilonMicro, bound: null }),
        since: NOON,
      },
    },
    busyUntil: {},
    ...more,
  });

/** What the broker took at `at`. */
const sentTo = (address: string, rows: readonly { readonly position: number; readonly seq: number | null }[], at: number) => ({
  sent: rows.map(({ position, seq }) => ({ position, seq, bytes: 40, at: epochMs(at), address })),
  refused: [],
});

/** Three changes of terms, and ten summaries that left in two batches an hour apart. */
async function typical(outbox: Outbox): Promise<void> {
  for (const [hour, epsilon] of [600_000, 400_000, 1_000_000].entries()) {
    const text = terms(epsilon);
    const facts = new Map([["privacy:terms", text]]);
    await outbox.commit({ ...batchOf([], NOON + hour * HOUR), facts, changes: [text] });
  }
  await outbox.commit(batchOf(summaries(1, 10), NOON));
  for (const [upTo, at] of [
    [4, NOON],
    [10, NOON + HOUR],
  ] as const) {
    const rows = (await outbox.read(0, 100)).filter(({ position }) => position <= upTo);
    await outbox.acknowledge(sentTo("192.0.2.7:8883", rows, at));
  }
}

/** Changes a closed store behind the back of everybody, the triggers too. */
function tamper(directory: string, sql: string): void {
  const db = new Database(join(directory, "node.db"));
  db.exec(`DROP TRIGGER change_is_append_only_1; DROP TRIGGER change_is_append_only_2; DROP TRIGGER egress_is_append_only; ${sql}`);
  db.close();
}

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const code = await egress.run(readArguments(egress, words), {
    out: (text) => {
      said.out += `${text}\n`;
    },
    err: (text) => {
      said.err += `${text}\n`;
    },
  });
  return { code, ...said };
}

describe("stoep egress, beside a node that has its store open", () => {
  it("tells what left, to whom, and what changed", async () => {
    const { file, outbox } = await site(typical);
    const { code, out, err } = await run(file);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const [head, ...lines] = out.split("\n");
    expect(head).toBe(`What left this node (instance ${outbox.instance})`);
    expect(lines).toContain("  2026-11-23T12:00:00Z  192.0.2.7:8883  4 messages, 160 bytes, seq 1 to 4");
    expect(lines).toContain("  2026-11-23T13:00:00Z  192.0.2.7:8883  6 messages, 240 bytes, seq 5 to 10");
    expect(lines).toContain("To 192.0.2.7:8883: 10 messages, 400 bytes, in 2 batches");
    expect(out).toMatch(/entry 2, SHA-256 [0-9a-f]{16}…\n {4}gate-1\.passages: noised epsilon 0\.4, windows of 15m, account node, from /);
    expect(out).toMatch(/The chain of 3 changes is whole\. Last: [0-9a-f]{64}\n/);
    await outbox.close();
  });

  it("tells the same as JSON", async () => {
    const { file, outbox } = await site(typical);
    const { code, out } = await run(file, "--json", "--since", "2026-11-23T12:30Z");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      instance: outbox.instance,
      since: "2026-11-23T12:30:00Z",
      chain: { isWhole: true, broken: null, entries: 3 },
      changes: [{ entry: 2 }, { entry: 3, says: { streams: { "gate-1.passages": { account: "node" } } } }],
      departures: [{ at: "2026-11-23T13:00:00Z", address: "192.0.2.7:8883", fromSeq: 5, toSeq: 10, rows: 6, bytes: 240 }],
    });
    await outbox.close();
  });

  it("tells where the broker was, as the node last signed it", async () => {
    const { file, directory, outbox } = await site(typical);
    const records = createEvidenceLog(directory);
    const { says } = newEvidence();
    await records.append(newEvidence({ at: "2026-11-22T10:00:00Z" }));
    await records.append(newEvidence());
    expect((await run(file)).out).toContain(`Where that was, as the node last signed it (stoep evidence verifies it)\n  ${says}\n`);
    expect(JSON.parse((await run(file, "--json")).out)).toMatchObject({ broker: says });
    // A line that somebody put in does not count.
    appendFileSync(join(directory, "evidence.jsonl"), `${"A".repeat(40)}.${"B".repeat(40)}.${"C".repeat(86)}\n`);
    expect(JSON.parse((await run(file, "--json")).out)).toMatchObject({ broker: says });
    await outbox.close();
  });

  it("keeps nothing waiting: between two pages the node commits, trims, and empties its WAL", async () => {
    const { directory, outbox } = await site(async (fresh) => {
      await typical(fresh);
      for (let at = 1; at <= 2_000; at++) {
        await fresh.commit(batchOf([meta("m")], NOON));
        await fresh.acknowledge(sentTo("192.0.2.7:8883", [{ position: 10 + at, seq: null }], NOON + at));
      }
    });
    const log = openEgressLog(directory);
    const pages = log.departures(0);
    expect(pages.next().value).toHaveLength(1_000);
    await outbox.commit(batchOf(summaries(11, 5), NOON));
    await outbox.trim({ ...UNLIMITED, egressBefore: epochMs(NOON + 500) });
    const node = new Database(join(directory, "node.db"), { timeout: 0 });
    expect(node.pragma("wal_checkpoint(TRUNCATE)")).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
    node.close();
    expect([...pages].flat().at(-1)?.atMs).toBe(NOON + 2_000);
    log.close();
    await outbox.close();
  });

  it("leaves the store as it was, byte for byte", async () => {
    const { directory, outbox } = await site(typical);
    await outbox.close();
    const before = readFileSync(join(directory, "node.db"));
    const log = openEgressLog(directory);
    expect(log.broken()).toBeNull();
    log.close();
    expect(readFileSync(join(directory, "node.db")).equals(before)).toBe(true);
  });

  it("prints other changes as they are, and compares terms with the terms before", async () => {
    const { file, outbox } = await site(async (fresh) => {
      await typical(fresh);
      await fresh.commit({ ...batchOf([], NOON + 3 * HOUR), changes: ["the store was copied"] });
      const text = terms(1_000_000, { pausedUntil: NOON + 12 * HOUR });
      await fresh.commit({ ...batchOf([], NOON + 4 * HOUR), facts: new Map([["privacy:terms", text]]), changes: [text] });
    });
    const { code, out } = await run(file, "--since", "2026-11-23T15:00Z");
    expect(code).toBe(0);
    const [, told = ""] = out.split("What changed in what is told about people\n");
    expect(told.split("\n").map((line) => line.replace(/SHA-256 .*/, "…"))).toEqual([
      "  2026-11-23T15:00:00Z  entry 4, …",
      "    the store was copied",
      "  2026-11-23T16:00:00Z  entry 5, …",
      "    the ledger was damaged: nothing noised until 2026-11-24T00:00:00Z",
      "",
      expect.stringMatching(/^The chain of 5 changes is whole/),
      "",
    ]);
    await outbox.close();
  });

  it("tells of a node that never had people in front of it", async () => {
    const { file, outbox } = await site(async () => undefined);
    const { code, out } = await run(file);
    expect(code).toBe(0);
    expect(out).toContain("The chain of changes is empty.");
    await outbox.close();
  });
});

describe("a log that was altered", () => {
  const LAST = "SELECT max(id) FROM change";

  it.each([
    [
      "another text",
      `UPDATE change SET text = replace(text, '400000', '100000') WHERE id = 2`,
      "at entry 2, which is not what was written",
    ],
    ["another time", "UPDATE change SET at_ms = at_ms + 1 WHERE id = 1", "at entry 1, which is not what was written"],
    ["one taken out in the middle", "DELETE FROM change WHERE id = 2", "at entry 2, which is missing"],
    [
      "one taken out, the rest moved up",
      "DELETE FROM change WHERE id = 2; UPDATE change SET id = 2 WHERE id = 3",
      "at entry 2, which is not",
    ],
    ["the last one taken out", `DELETE FROM change WHERE id = (${LAST})`, "entries are missing behind the last one"],
    ["all taken out", "DELETE FROM change", "entries are missing behind the last one"],
    ["one added", "INSERT INTO change (at_ms, text, hash) VALUES (0, 'x', 'y')", "at entry 4, which is not what was written"],
  ])("with %s: it says where, and ends with 65", async (_what, sql, says) => {
    const { file, directory, outbox } = await site(typical);
    await outbox.close();
    tamper(directory, sql);
    const [words, json] = [await run(file), await run(file, "--json")];
    expect([words.code, json.code]).toEqual([65, 65]);
    expect(words.err).toContain(says);
    expect(JSON.parse(json.out)).toMatchObject({ chain: { isWhole: false } });
  });
});

describe("what stoep egress cannot read", () => {
  it("ends with 69 and a remedy when the node never ran", async () => {
    const { file, directory, outbox } = await site(async () => undefined);
    await outbox.close();
    rmSync(join(directory, "node.db"));
    const { code, err } = await run(file);
    expect(code).toBe(69);
    expect(err).toMatch(/there is no .*node\.db\. What to do: check storage\.directory of FILE/);
  });

  it("ends with 65 for a file that is no store, and with 69 for that of a later release", async () => {
    const { file, directory, outbox } = await site(async () => undefined);
    await outbox.close();
    const db = new Database(join(directory, "node.db"));
    db.pragma("user_version = 99");
    db.pragma(`application_id = ${0x5374_0000 + 99}`);
    db.close();
    expect(await run(file)).toMatchObject({ code: 69, err: expect.stringContaining("a later release of Stoep wrote this file") });
    writeFileSync(join(directory, "node.db"), randomBytes(8_192));
    expect(await run(file)).toMatchObject({ code: 65, err: expect.stringContaining("What to do: keep a copy of the file") });
  });

  it("ends with 78 when the node file cannot be read", async () => {
    expect(await run("/nonexistent/node.yaml")).toMatchObject({ code: 78, err: expect.stringContaining("there is no such file") });
  });
});

describe("--since", () => {
  const now = Date.UTC(2026, 10, 23, 12);

  it.each([
    ["7d", now - 7 * 24 * HOUR],
    ["90m", now - 1.5 * HOUR],
    ["2026-11-01", Date.UTC(2026, 10, 1)],
    ["2026-11-01T10:00Z", Date.UTC(2026, 10, 1, 10)],
  ])("%s is understood", (text, expected) => {
    expect(sinceOf(text, now)).toBe(expected);
  });

  it.each(["yesterday", "2026-02-30", "2026-13-01", "01-11-2026", "2026-11-01T10:00", "-7d", ""])("%j is refused", (text) => {
    expect(() => sinceOf(text, now)).toThrow(/--since must be a day such as 2026-11-01/);
  });
});
