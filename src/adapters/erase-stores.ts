import { constants, type Dirent } from "node:fs";
import { lstat, open, readdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file of a store, as it was found. */
export interface StoreFile {
  readonly path: string;
  readonly bytes: number;
}

/** What is in the folders of a node. */
export interface FoundStores {
  /** Readings first. */
  readonly files: readonly StoreFile[];
  /** Everything else: not ours, or not to be erased. */
  readonly others: readonly string[];
}

/**
 * node.db and live.db, those that were put aside (`quarantine`), what SQLite puts beside each, the evidence with its key, and the copy
 * of the node file that the node made.
 */
const STORE =
  /^((live|node)\.db(\.corrupt-\d+)?(-wal|-shm|-journal)?|evidence\.(key(\.new|\.unusable)?|jsonl|1\.jsonl)|config\.good\.yaml(\.new)?)$/;
/** They hold nothing: the lock of the folder, the socket of the node, and the room that the outbox keeps for itself. */
const EMPTY: ReadonlySet<string> = new Set(["node.lock", "node.lock-journal", "stoep.sock", "node.ballast", "node.ballast.new"]);
const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * Looks for stores in the folder of a node, and in that of its readings, which may be anybody's (`/dev/shm`) and need not be the node's.
 * A folder that does not exist has none; rejects when one cannot be looked into.
 */
export async function findStores(directory: string, live: string | null): Promise<FoundStores> {
  const files: StoreFile[] = [];
  const others: string[] = [];
  for (const folder of new Set([directory, ...(live === null ? [] : [live])])) {
    for (const entry of await entriesOf(folder)) {
      const path = join(folder, entry.name);
      const isNamedSo = /^(live|node)\.db/.test(entry.name);
      if (entry.isFile() && STORE.test(entry.name)) files.push({ path, bytes: (await lstat(path)).size });
      else if (!EMPTY.has(entry.name) && (isNamedSo || folder === directory)) others.push(path);
    }
  }
  const isReadings = ({ path }: StoreFile): boolean => /[/]live\.db[^/]*$/.test(path);
  return { files: [...files.filter(isReadings), ...files.filter((file) => !isReadings(file))], others };
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Overwrites a file with zeros, waits until they are on the disk, and deletes it. Never follows a link. */
export async function eraseFile({ path }: StoreFile): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    for (let at = 0; at < size; ) at += (await file.write(ZEROS, 0, Math.min(ZEROS.length, size - at), at)).bytesWritten;
    await file.sync();
  } finally {
    await file.close();
  }
  await unlink(path);
  // The name is gone when the folder is on the disk too.
  const folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
