import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { stoep } from "../../support/node-process.ts";

const EXAMPLE = join(import.meta.dirname, "../../../config/node.example.yaml");
const folder = mkdtempSync(join(tmpdir(), "stoep-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = async (...words: string[]): Promise<{ code: number; out: string; err: string }> => {
  const { code, stdout, stderr } = await stoep(["report", ...words]);
  return { code, out: stdout, err: stderr };
};

describe("stoep report", () => {
  it.each([
    ["dpia", /^# DPIA, feiten: Vondelstraat/],
    ["processing", /^# Register van verwerkingen, artikel 30 lid 1 AVG\n/],
    ["notice", /^<!doctype html>\n/],
  ])("--as %s prints the document, with where it comes from", async (kind, begins) => {
    const { code, out, err } = await run("--as", kind, EXAMPLE);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(begins);
    expect(out).toMatch(/Stoep \d+\.\d+\.\d+, node\.example\.yaml \([0-9a-f]{8}\)/);
  });

  it("prints a QR code of the owner's website on each page of the notice", async () => {
    const { out } = await run("--as", "notice", EXAMPLE);
    expect(out.match(/aria-label="QR: https:\/\/voorbeeld\.example\/sensoren"><svg /g)).toHaveLength(2);
  });

  it("speaks English, or JSON, where it is asked to", async () => {
    expect((await run("--as", "processing", "--language", "en", EXAMPLE)).out).toContain("# Record of processing activities");
    const entry = JSON.parse((await run("--as", "processing", "--json", EXAMPLE)).out) as { points: { says: string[] }[] };
    expect(entry.points[0]?.says[0]).toBe("Gemeente Voorbeeld");
    expect(entry).toMatchObject({ isOfPeople: true, name: "Vondelstraat, lamp post 42 (n0042)", origin: { version: expect.any(String) } });
  });

  it("--as register is JSON, with or without --json", async () => {
    const [plain, json] = [await run("--as", "register", EXAMPLE), await run("--as", "register", "--json", EXAMPLE)];
    expect(plain.out).toBe(json.out);
    expect(Object.keys(JSON.parse(plain.out))).toEqual(["sensrnet", "amsterdam", "toBeFilledIn", "origin"]);
  });

  it("writes to a file, or says why it cannot", async () => {
    const path = join(folder, "notice.html");
    expect(await run("--as", "notice", "--output", path, EXAMPLE)).toMatchObject({ code: 0, out: `${path} written\n` });
    expect(readFileSync(path, "utf8")).toBe((await run("--as", "notice", EXAMPLE)).out);
    const { code, err } = await run("--as", "notice", "--output", join(folder, "no/such/folder.html"), EXAMPLE);
    expect(code).toBe(69);
    expect(err).toMatch(/cannot be written \(ENOENT\)\. What to do: /);
  });

  it("ends with 78 and every mistake when the file is wrong", async () => {
    const file = join(folder, "node.yaml");
    writeFileSync(file, "stoep: 1\nnode: { id: N1 }\n");
    const { code, out, err } = await run("--as", "dpia", file);
    expect({ code, out }).toEqual({ code: 78, out: "" });
    expect(err).toMatch(/node\.yaml:2:\d+ node\.id: /);
  });

  it.each([
    [[EXAMPLE], /--as is missing: dpia, processing, register, notice/],
    [["--as", "letter", EXAMPLE], /--as must be dpia, processing, register, notice, got "letter"/],
    [["--as", "notice", "--json", EXAMPLE], /a notice is a document/],
    [["--as", "processing", "--language", "fr", EXAMPLE], /--language must be nl or en, got "fr"/],
    [["--as", "notice", "--language", "nl", EXAMPLE], /--language is for processing/],
  ])("refuses %j with 64", async (words, message) => {
    expect(await run(...words)).toMatchObject({ code: 64, out: "", err: expect.stringMatching(message) });
  });
});
