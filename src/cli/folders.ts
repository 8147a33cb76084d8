import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { StartError } from "./start-error.ts";

/**
 * Makes a folder and those above it. Node's own `recursive` never ends in /proc: where a folder cannot be made the kernel says ENOENT,
 * Node takes it that one above is missing, finds it there, and begins again.
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  const above = dirname(path);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" && above !== path) {
      await makeFolders(above, mode);
      await makeLast(path, mode);
    } else if (!(await isFolder(path))) throw error;
  }
}

/** Somebody else may have made it meanwhile. */
async function makeLast(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!(await isFolder(path))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Makes the folder that `key` of the node file names. */
export async function makeFolder(path: string, key: string): Promise<void> {
  try {
    await makeFolders(path, 0o700);
  } catch (cause) {
    const remedy = `check ${key} in the node file, and that the user of the service may write there`;
    throw new StartError(`cannot make ${path} (${(cause as NodeJS.ErrnoException).code})`, remedy, { cause });
  }
}
