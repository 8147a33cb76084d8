import { generateKeyPairSync } from "node:crypto";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createEvidenceLog, EVIDENCE_FILE_BYTES_MAX } from "../../src/adapters/residency/evidence-log.ts";
import { evidenceKeyName, lastEvidence, readEvidence } from "../../src/adapters/residency/evidence-reader.ts";
import { readArguments } from "../../src/cli/command.ts";
import { evidence } from "../../src/cli/evidence.ts";
import { newEvidence } from "../support/evidence.ts";
import { RecordingEvents } from "../support/recording-events.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-evidence-"));
afterAll(() => rmSync(root, { recursive: true }));
const folder = () => mkdtempSync(join(root, "node-"));

async function faultsIn(directory: string, key: string | null = null): Promise<readonly (string | null)[]> {
  const faults: (string | null)[] = [];
  for await (const { fault } of readEvidence(directory, key)) faults.push(fault);
  return faults;
}

async function filled(count: number): Promise<{ directory: string; path: string; lines: () => string[] }> {
  const directory = folder();
  const log = createEvidenceLog(directory);
  for (let index = 0; index < count; index++) await log.append(newEvidence({ at: `2026-11-23T1${index}:00:00Z` }));
  const path = join(directory, "evidence.jsonl");
  return { directory, path, lines: () => readFileSync(path, "utf8").trimEnd().split("\n") };
}

/** Makes the card take only so many bytes of each write, until it is healed or the test ends. */
async function cardThat(takes: (bytes: number) => number): Promise<() => void> {
  const file = await open(root, "r");
  const prototype = Object.getPrototypeOf(file) as { write: (bytes: Buffer, at: number, length?: number) => Promise<unknown> };
  await file.close();
  const { write } = prototype;
  const heal = (): void => {
    prototype.write = write;
  };
  onTestFinished(heal);
  prototype.write = async function (this: unknown, bytes, at) {
    const length = takes(bytes.length - at);
    return length === 0 ? { bytesWritten: 0 } : await write.call(this, bytes, at, length);
  };
  return heal;
}

/** A key that was made before the process was killed. */
function folderWithKeyFor(directory: string): string {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(directory, "evidence.key"), pem, { mode: 0o600 });
  return directory;
}

async function asked(words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: string[][] = [[], []];
  const output = { out: (text: string) => void out?.push(`${text}\n`), err: (text: string) => void err?.push(`${text}\n`) };
  const code = await evidence.run(readArguments(evidence, words), output);
  return { code, out: (out ?? []).join(""), err: (err ?? []).join("") };
}

describe("the evidence of where a node was connected to", () => {
  it("is kept with its key in files that nobody else reads, and goes on after a restart", async () => {
    const { directory, path } = await filled(2);
    await createEvidenceLog(directory).append(newEvidence({ at: "2026-11-23T12:00:00Z" }));
    expect(await faultsIn(directory, await evidenceKeyName(directory))).toEqual([null, null, null]);
    expect((await lastEvidence(directory))?.at).toBe("2026-11-23T12:00:00Z");
    for (const file of [path, join(directory, "evidence.key")]) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("shows a record that was changed, taken out, put in or signed by somebody else", async () => {
    const { directory, path, lines } = await filled(4);
    const whole = lines();
    const [first = "", second = "", third = "", fourth = ""] = whole;
    const write = (kept: readonly string[]) => writeFileSync(path, `${kept.join("\n")}\n`);
    const [header = "", , signature = ""] = second.split(".");
    const forged = Buffer.from(JSON.stringify(newEvidence({ host: "elsewhere.example" }))).toString("base64url");
    write([first, `${header}.${forged}.${signature}`, third, fourth]);
    expect(await faultsIn(directory)).toEqual([null, "altered", null, null]);
    write([first, third, fourth]);
    expect(await faultsIn(directory)).toEqual([null, "missing-before", null]);
    write([first, second, third, `${header}.${forged}.${signature}`]);
    expect(await faultsIn(directory)).toEqual([null, null, null, "altered"]);
    const stranger = await filled(1);
    write([...whole, ...stranger.lines()]);
    expect(await faultsIn(directory, await evidenceKeyName(directory))).toEqual([null, null, null, null, "other-key"]);
    write(whole);
    expect(await faultsIn(directory)).toEqual([null, null, null, null]);
  });

  it("does not take an algorithm from the line that it checks", async () => {
    const { directory, path, lines } = await filled(1);
    const [, payload = ""] = (lines()[0] ?? "").split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    writeFileSync(path, `${none}.${payload}.${"A".repeat(86)}\n`);
    expect(await faultsIn(directory)).toEqual(["altered"]);
  });

  it.each([1, 10, 200, 500])("survives a power cut that leaves %i bytes of a record", async (bytes) => {
    const { directory, path, lines } = await filled(2);
    appendFileSync(path, (lines()[1] ?? "").slice(0, bytes));
    expect(await faultsIn(directory)).toEqual([null, null, "torn"]);
    await createEvidenceLog(directory).append(newEvidence({ at: "2026-11-23T13:00:00Z" }));
    expect(await faultsIn(directory)).toEqual([null, null, "torn", null]);
  });

  it("survives a power cut that takes only the end of the line from a record", async () => {
    const { directory, path } = await filled(3);
    truncateSync(path, statSync(path).size - 1);
    expect(await faultsIn(directory)).toEqual([null, null, null]);
    await createEvidenceLog(directory).append(newEvidence({ at: "2026-11-23T13:00:00Z" }));
    expect(await faultsIn(directory)).toEqual([null, null, null, null]);
  });

  it("is written whole by a card that takes little at a time", async () => {
    const { directory } = await filled(1);
    await cardThat((bytes) => Math.min(bytes, 100));
    await createEvidenceLog(directory).append(newEvidence({ at: "2026-11-23T13:00:00Z" }));
    expect(await faultsIn(directory)).toEqual([null, null]);
  });

  it("has nothing of a record that a card took a part of, and says that it failed", async () => {
    const { directory, path } = await filled(2);
    const before = readFileSync(path, "utf8");
    let left = 300;
    const heal = await cardThat((bytes) => {
      const taken = Math.min(bytes, left);
      left -= taken;
      return taken;
    });
    const log = createEvidenceLog(directory);
    await expect(log.append(newEvidence({ at: "2026-11-23T13:00:00Z" }))).rejects.toMatchObject({ code: "ENOSPC" });
    expect(readFileSync(path, "utf8")).toBe(before);
    heal();
    await log.append(newEvidence({ at: "2026-11-23T14:00:00Z" }));
    expect(await faultsIn(directory)).toEqual([null, null, null]);
  });

  it("lets the oldest go when the files are full, and what is left still hangs together", async () => {
    const directory = folder();
    const log = createEvidenceLog(directory, { bytesMax: 6_000 });
    for (let index = 0; index < 40; index++) await log.append(newEvidence({ at: `2026-11-${10 + (index % 10)}T00:00:00Z` }));
    const sizes = ["evidence.jsonl", "evidence.1.jsonl"].map((name) => statSync(join(directory, name)).size);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(6_000);
    const faults = await faultsIn(directory);
    expect(faults.length).toBeGreaterThan(4);
    expect(new Set(faults)).toEqual(new Set([null]));
  });

  it("holds 400 days of a record an hour", async () => {
    const { lines } = await filled(1);
    const perDay = ((lines()[0] ?? "").length + 1) * 24;
    expect((2 * EVIDENCE_FILE_BYTES_MAX) / perDay).toBeGreaterThan(400);
  });

  it("orders records that are asked for at the same time", async () => {
    const directory = folder();
    const log = createEvidenceLog(directory);
    await Promise.all([1, 2, 3, 4].map((hour) => log.append(newEvidence({ at: `2026-11-23T0${hour}:00:00Z` }))));
    expect(await faultsIn(directory)).toEqual([null, null, null, null]);
  });
});

describe("the key of the evidence", () => {
  const recordsIn = async (directory: string) => {
    const records: unknown[] = [];
    for await (const { record } of readEvidence(directory, null)) records.push(record);
    return records;
  };

  it("is told to be new by the first record alone", async () => {
    const { directory } = await filled(2);
    await createEvidenceLog(directory).append(newEvidence());
    const [first, ...others] = await recordsIn(directory);
    expect(first).toMatchObject({ newKey: true, prev: "" });
    for (const other of others) expect(other).not.toHaveProperty("newKey");
  });

  it.each([
    ["empty", ""],
    ["cut off", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw"],
    ["full of zeros", "\0".repeat(119)],
    ["a key of another kind", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" })],
  ])("that is %s is put aside, and the first record of the new one says so", async (_, text) => {
    const { directory } = await filled(2);
    const old = await evidenceKeyName(directory);
    writeFileSync(join(directory, "evidence.key"), text);
    const events = new RecordingEvents();
    const log = createEvidenceLog(directory, { events });
    await log.append(newEvidence({ at: "2026-11-23T13:00:00Z" }));
    await log.append(newEvidence({ at: "2026-11-23T14:00:00Z" }));
    const name = await evidenceKeyName(directory);
    expect(name).not.toBeNull();
    expect(name).not.toBe(old);
    expect(events.all).toEqual([{ type: "EvidenceKeyReplaced", aside: "evidence.key.unusable", key: name }]);
    expect(readFileSync(join(directory, "evidence.key.unusable"), "utf8")).toBe(text);
    expect(statSync(join(directory, "evidence.key")).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(["evidence.jsonl", "evidence.key", "evidence.key.unusable"]);
    expect((await recordsIn(directory)).map((record) => (record as { newKey?: boolean }).newKey)).toEqual([
      true,
      undefined,
      true,
      undefined,
    ]);
    expect(await faultsIn(directory), "the chain holds over it").toEqual([null, null, null, null]);
    expect((await asked(["--directory", directory])).out).toContain("[signed with a new key from here on]");
    expect((await asked(["--directory", directory])).code, "the key that is there did not sign all").toBe(65);
    expect((await asked(["--directory", directory, "--key", `${old},${name}`])).code).toBe(0);
  });

  it("is told to be new also where a restart came between it and its first record", async () => {
    const { directory } = await filled(1);
    rmSync(join(directory, "evidence.key"));
    await cardThat(() => 0).then(async (heal) => {
      // The key cannot be written either: nothing stands in its place.
      await expect(createEvidenceLog(directory).append(newEvidence())).rejects.toMatchObject({ code: "ENOSPC" });
      expect(existsSync(join(directory, "evidence.key"))).toBe(false);
      heal();
    });
    await createEvidenceLog(folderWithKeyFor(directory)).append(newEvidence());
    expect((await recordsIn(directory)).at(-1)).toMatchObject({ newKey: true });
  });
});

describe("stoep evidence", () => {
  it("lists and verifies, and ends with 65 when something does not hold", async () => {
    const { directory, path, lines } = await filled(3);
    const good = await asked(["--directory", directory]);
    expect(good).toMatchObject({ code: 0, err: "" });
    expect(good.out).toContain(`Signed with key ${await evidenceKeyName(directory)}`);
    expect(good.out).toContain("3 records, each as it was signed, none missing in between.");
    const json = JSON.parse((await asked(["--directory", directory, "--json", "--since", "2026-11-23T12:00Z"])).out);
    expect(json).toMatchObject({ count: 3, faults: 0, records: [{ line: lines()[2], fault: null, record: { node: "n0042" } }] });
    expect((await asked(["--directory", directory, "--key", "another"])).code).toBe(65);
    writeFileSync(path, `${[lines()[0], lines()[2]].join("\n")}\n`);
    expect(await asked(["--directory", directory])).toMatchObject({ code: 65, err: expect.stringContaining("1 of 2 do not hold") });
  });

  it("says so when there is none", async () => {
    expect(await asked(["--directory", folder()])).toMatchObject({ code: 69, err: expect.stringContaining("What to do:") });
  });
});
