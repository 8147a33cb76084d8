import { closeSync, constants, copyFileSync, fsyncSync, openSync, renameSync, statSync, writeSync } from "node:fs";

/** Writes a file that is not there. Throws `EEXIST` when it is. */
export function writeNewFile(path: string, text: string): void {
  const handle = openSync(path, "wx", 0o644);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Replaces a file as a whole, and keeps what it was in `backup`. Throws `EEXIST`, and changes nothing, where there is one already. */
export function replaceFile(path: string, text: string, backup: string): void {
  copyFileSync(path, backup, constants.COPYFILE_EXCL);
  const fresh = `${path}.new`;
  const handle = openSync(fresh, "w", statSync(path).mode);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, path);
}
