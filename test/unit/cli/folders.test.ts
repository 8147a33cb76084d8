import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeFolder, makeFolders } from "../../../src/cli/folders.ts";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "stoep-folders-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("folders of a node", () => {
  it("are made with those above them, and taken as they are when they are there", async () => {
    const path = join(scratch(), "a/b/c");
    for (let time = 0; time < 2; time++) await makeFolders(path, 0o700);
    for (const folder of [path, join(path, ".."), join(path, "../..")]) expect(statSync(folder).mode & 0o777).toBe(0o700);
    await makeFolders("/", 0o700);
  });

  it("are made once when two ask for them at the same time", async () => {
    const path = join(scratch(), "a/b/c/d");
    await Promise.all(Array.from({ length: 8 }, () => makeFolders(path, 0o700)));
    expect(statSync(path).isDirectory()).toBe(true);
  });

  // In /proc no folder can be made, and the kernel says of it that there is no such file: `mkdir` of Node, told to make those above as
  // well, then asks for ever.
  it.each(["/proc/stoep", "/proc/stoep/live", "/proc/self/stoep"])("cannot be made at %s, and that ends", async (path) => {
    await expect(makeFolders(path, 0o700)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(makeFolder(path, "storage.live")).rejects.toMatchObject({
      message: `cannot make ${path} (ENOENT)`,
      remedy: expect.stringContaining("check storage.live in the node file"),
    });
  });

  it("cannot be made where a file is, or below one", async () => {
    const file = join(scratch(), "file");
    writeFileSync(file, "");
    await expect(makeFolders(file, 0o700)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeFolders(join(file, "below"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
