import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Events } from "../../ports/events.ts";
import { EVIDENCE_FILES, keyName } from "./evidence-jws.ts";

/** The key that signs. */
export interface EvidenceKey {
  readonly key: KeyObject;
  /** It was made just now. */
  readonly isNew: boolean;
}

/**
 * The key in a folder; a new one where there is none. What is there and is no key, as a power cut or a bad card leaves it, is put aside:
 * a node that never signed again would be worse than a key that somebody has to write down anew. Rejects when it may not be read.
 */
export async function evidenceKeyIn(directory: string, events: Events): Promise<EvidenceKey> {
  const path = join(directory, EVIDENCE_FILES.key);
  const found = await keyAt(path);
  if (found.is === "key") return { key: found.key, isNew: false };
  const aside = join(directory, EVIDENCE_FILES.keyAside);
  if (found.is === "no-key") await rename(path, aside);
  const key = await newKey(directory, path);
  if (found.is === "no-key") events.emit({ type: "EvidenceKeyReplaced", aside: basename(aside), key: keyName(key) });
  return { key, isNew: true };
}

type Found = { readonly is: "key"; readonly key: KeyObject } | { readonly is: "none" | "no-key" };

async function keyAt(path: string): Promise<Found> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { is: "none" };
    // A block that the card does not give any more. Other trouble, such as rights, goes away without a new key.
    if (code === "EIO") return { is: "no-key" };
    throw error;
  }
  try {
    const key = createPrivateKey(text);
    return key.asymmetricKeyType === "ed25519" ? { is: "key", key } : { is: "no-key" };
  } catch {
    return { is: "no-key" };
  }
}

/** Beside its place, and then in it as a whole: records that were signed with a key that a power cut took look like forged ones. */
async function newKey(directory: string, path: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const fresh = join(directory, EVIDENCE_FILES.keyFresh);
  const file = await open(fresh, "w", 0o600);
  try {
    await writeWhole(file, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
  await syncFolder(directory);
  return privateKey;
}

/** Writes all of it: a write to a card that is full may take a part, and say so in its result only. */
export async function writeWhole(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at);
    if (bytesWritten === 0) throw Object.assign(new Error("nothing was written"), { code: "ENOSPC" });
    at += bytesWritten;
  }
}

/** Makes names in a folder last. */
export async function syncFolder(directory: string): Promise<void> {
  const folder = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
