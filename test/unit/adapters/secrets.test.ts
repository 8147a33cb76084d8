import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fetchSecret, SecretError } from "../../../src/adapters/secrets.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "stoep-secrets-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(DIRECTORY, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** The error that fetching ends with. */
function refusal(...parts: Parameters<typeof fetchSecret>): SecretError {
  try {
    fetchSecret(...parts);
  } catch (error) {
    if (error instanceof SecretError) return error;
    throw error;
  }
  throw new Error("it was fetched");
}

describe("fetchSecret", () => {
  it("gives a literal as it is", () => {
    expect(fetchSecret("plain", {})).toBe("plain");
  });

  it.each([
    ["secret", "secret"],
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    ["two\nlines\n", "two\nlines"],
    [" spaces \n", " spaces "],
    ["", ""],
  ])("reads %j from a file as %j", (text, value) => {
    expect(fetchSecret({ file: file("plain", text) }, {})).toBe(value);
  });

  it("reads a credential that systemd passed", () => {
    file("broker-password", "hunter2\n");
    expect(fetchSecret({ credential: "broker-password" }, { CREDENTIALS_DIRECTORY: DIRECTORY })).toBe("hunter2");
  });

  it("reads the environment", () => {
    expect(fetchSecret({ env: "PASSWORD" }, { PASSWORD: "hunter2" })).toBe("hunter2");
  });

  it.each([0o640, 0o604, 0o660, 0o644])("refuses a file of mode %o, and says how to mend it", (mode) => {
    const path = file("open", "hunter2", mode);
    const error = refusal({ file: path }, {});
    expect(error).toMatchObject({ code: "SECRET_OPEN", remedy: `chmod 600 ${path}` });
    expect(`${error.message} ${error.remedy}`).not.toContain("hunter2");
  });

  it.each([
    [{ file: join(DIRECTORY, "nowhere") }, {}],
    [{ env: "PASSWORD" }, { OTHER: "hunter2" }],
    [{ credential: "broker-password" }, {}],
    [{ credential: "nowhere" }, { CREDENTIALS_DIRECTORY: DIRECTORY }],
  ])("says what is missing and what to do: %j", (reference, env) => {
    const error = refusal(reference, env);
    expect(error.code).toBe("SECRET_MISSING");
    expect(error.remedy).not.toBe("");
    expect(error.message).not.toContain("hunter2");
  });
});
