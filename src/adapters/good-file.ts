import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** What is called good: the last node file under which the node held. */
const GOOD_NAME = "config.good.yaml";
const TRAILER = /\n# stoep-good 1 ([0-9a-f]{8}) ([0-9a-f]{64}) (".*")\n$/;

/** A node file that held. */
export interface GoodFile {
  readonly path: string;
  readonly text: string;
  /** Of the file as it was on the disk. */
  readonly rev: string;
}

export const goodPath = (directory: string): string => join(directory, GOOD_NAME);

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * Keeps a text in `directory` as the one that held for `file`. A power cut leaves the old one or the new one: it is written beside, brought
 * to the card, and renamed. Throws what the file system throws.
 */
export function writeGood(directory: string, file: string, { text, rev }: Pick<GoodFile, "text" | "rev">): string {
  const path = goodPath(directory);
  const fresh = `${path}.new`;
  const handle = openSync(fresh, "w", 0o600);
  try {
    writeSync(handle, `${text}\n# stoep-good 1 ${rev} ${digest(text)} ${JSON.stringify(file)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
  return path;
}

/** The text that held for `file`; null when there is none in `directory`, or it is not what was written, or of another file. */
export function readGood(directory: string, file: string): GoodFile | null {
  const path = goodPath(directory);
  try {
    const whole = readFileSync(path, "utf8");
    const [trailer, rev, sum, of] = TRAILER.exec(whole) ?? [];
    if (trailer === undefined || rev === undefined || of !== JSON.stringify(file)) return null;
    const text = whole.slice(0, -trailer.length);
    return digest(text) === sum ? { path, text, rev } : null;
  } catch {
    return null;
  }
}
