import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDirectory } from "../../src/adapters/sqlite/directory-lock.ts";

// Another process that holds the lock the way a node does, and says so.
const HOLDER = `
  const db = new (require("better-sqlite3"))(process.argv[1] + "/node.lock", { timeout: 0 });
  db.exec("BEGIN EXCLUSIVE");
  process.stdout.write("held");
  setInterval(() => {}, 1000);
`;

describe("the lock of a node's directory", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "stoep-lock-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("lets one node in, and the next when that one is gone", () => {
    const lock = lockDirectory(directory);
    expect(() => lockDirectory(directory)).toThrow(expect.objectContaining({ code: "STORE_IN_USE" }));
    lock.release();
    lockDirectory(directory).release();
  });

  it("is free again after the process that held it was killed", async () => {
    const holder = spawn(process.execPath, ["-e", HOLDER, directory], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    expect(() => lockDirectory(directory)).toThrow(expect.objectContaining({ code: "STORE_IN_USE" }));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    lockDirectory(directory).release();
  });
});
