import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

// Record and replay of what a program did to its files (reliability reference §6.3, level 1; the idea is ALICE's, OSDI'14).

/** One thing that was done, in order. */
type Operation =
  | { readonly is: "write"; readonly file: string; readonly at: number; readonly data: Buffer }
  | { readonly is: "truncate"; readonly file: string; readonly length: number }
  | { readonly is: "sync"; readonly file: string }
  | { readonly is: "unlink"; readonly file: string }
  /** The program said something on its standard output. */
  | { readonly is: "said"; readonly text: string };

/** What a power cut leaves of what was written and not synced. */
export const LOSS_MODELS = ["all of it", "nothing of it", "random sectors of it", "random sectors, some of them garbage"] as const;
export type LossModel = (typeof LOSS_MODELS)[number];

/** The smallest piece that a card writes as a whole. */
const SECTOR_BYTES = 512;

/** Numbers from 0 to 1, the same for a seed (mulberry32, public domain). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll("\\x", ""), "hex");

/** Reads a trace of `strace -y -xx`: operations on files in `directory`, and what was said. */
export function recordingOf(trace: readonly string[], directory: string): readonly Operation[] {
  return trace.flatMap((line): Operation[] => {
    const call = /^\d+ +(\w+)\((.*)\) += (-?\d+)/.exec(line);
    if (call === null || call[3] === "-1") return [];
    const [, name, words = "", result] = call;
    if (name === "unlink") {
      const path = unhex(/^"([^"]*)"/.exec(words)?.[1] ?? "").toString();
      return path.startsWith(`${directory}/`) ? [{ is: "unlink", file: basename(path) }] : [];
    }
    const target = /^(\d+)<([^>]*)>/.exec(words);
    const path = unhex(target?.[2] ?? "").toString();
    if (name === "write" && target?.[1] === "1") return [{ is: "said", text: unhex(/"([^"]*)"/.exec(words)?.[1] ?? "").toString() }];
    if (!path.startsWith(`${directory}/`) || path.endsWith("-shm")) return [];
    const file = basename(path);
    if (name === "fsync" || name === "fdatasync") return [{ is: "sync", file }];
    if (name === "ftruncate") return [{ is: "truncate", file, length: Number(words.split(", ")[1]) }];
    const [, hex = "", , at] = /"([^"]*)"(?:\.\.\.)?, (\d+), (\d+)$/.exec(words) ?? [];
    if (name !== "pwrite64" || at === undefined) return [];
    return [{ is: "write", file, at: Number(at), data: unhex(hex).subarray(0, Number(result)) }];
  });
}

type Change = Extract<Operation, { readonly is: "write" | "truncate" }>;

interface Image {
  durable: Buffer;
  pending: Change[];
}

/** Files as the operations make them, one after the other, and what a power cut leaves of them. */
export class Disk {
  readonly #images = new Map<string, Image>();

  perform(operation: Operation): void {
    if (operation.is === "said") return;
    if (operation.is === "unlink") {
      this.#images.delete(operation.file);
      return;
    }
    const image = this.#images.get(operation.file) ?? { durable: Buffer.alloc(0), pending: [] };
    this.#images.set(operation.file, image);
    if (operation.is !== "sync") image.pending.push(operation);
    else {
      image.durable = image.pending.reduce((bytes, change) => changed(bytes, change), image.durable);
      image.pending = [];
    }
  }

  /** Writes the files as they are found after a power cut now. */
  cut(model: LossModel, random: () => number, directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const [file, { durable, pending }] of this.#images) {
      const survivors = pending.flatMap((change) => surviving(change, model, random));
      const bytes = survivors.reduce((before, change) => changed(before, change), durable);
      writeFileSync(join(directory, file), bytes);
    }
  }
}

function changed(bytes: Buffer, change: Change): Buffer {
  if (change.is === "truncate") {
    const cut = Buffer.alloc(change.length);
    bytes.copy(cut);
    return cut;
  }
  const grown = Buffer.alloc(Math.max(bytes.length, change.at + change.data.length));
  bytes.copy(grown);
  change.data.copy(grown, change.at);
  return grown;
}

function surviving(change: Change, model: LossModel, random: () => number): readonly Change[] {
  if (model === "all of it") return [change];
  if (model === "nothing of it") return [];
  if (change.is === "truncate") return random() < 0.5 ? [change] : [];
  const sectors: Change[] = [];
  for (let offset = 0; offset < change.data.length; ) {
    const end = Math.min(change.data.length, offset + SECTOR_BYTES - ((change.at + offset) % SECTOR_BYTES));
    const luck = random();
    const isGarbage = model === "random sectors, some of them garbage" && luck < 0.2;
    const data = isGarbage
      ? Buffer.from(Array.from({ length: end - offset }, () => Math.floor(random() * 256)))
      : change.data.subarray(offset, end);
    if (luck < 0.6) sectors.push({ ...change, at: change.at + offset, data });
    offset = end;
  }
  return sectors;
}
