import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createEvidenceLog, EVIDENCE_FILE_BYTES_MAX } from "../../src/adapters/residency/evidence-log.ts";
import { evidenceKeyName, lastEvidence, readEvidence } from "../../src/adapters/residency/evidence-reader.ts";
import { readArguments } from "../../src/cli/command.ts";
import { evidence } from "../../src/cli/evidence.ts";
import { newEvidence } from "../support/evidence.ts";

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

  it("lets the oldest go when the files are full, and what is left still hangs together", async () => {
    const directory = folder();
    const log = createEvidenceLog(directory, 6_000);
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
