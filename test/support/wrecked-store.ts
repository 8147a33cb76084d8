import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import type { NewRow, Outbox } from "../../src/ports/outbox.ts";
import { acked, batchOf, meta, summaries } from "../contract/outbox-contract.ts";

const textOf = ({ message }: Pick<NewRow, "message">) => Buffer.from(message.payload).toString();

/** What waits in an outbox, in order. */
export const textsOf = async (outbox: Outbox) => (await outbox.read(0, 200_000)).map(textOf);
/** The summaries that were written, as `textsOf` gives them. */
export const written = (fromSeq: number, count: number) => summaries(fromSeq, count).map(textOf);
/** The store of a directory, or the one that was put aside as the n-th. */
export const fileOf = (directory: string, wreck = 0) => join(directory, wreck === 0 ? "node.db" : `node.db.corrupt-${wreck}`);

/** Spoils a closed store; by default its schema's version, which is noticed when it is opened, and nothing else. */
export function spoil(directory: string, spoiling = (_bytes: Buffer): void => {}): void {
  const bytes = readFileSync(fileOf(directory));
  spoiling(bytes);
  bytes.writeUInt32BE(7, 60);
  writeFileSync(fileOf(directory), bytes);
}

/** Stores that are damaged, in a folder of their own. */
export class WreckedStores {
  readonly #root = mkdtempSync(join(tmpdir(), "stoep-salvage-"));
  #stores = 0;

  readonly open = (directory: string) => openOutbox({ directory, randomBytes });

  /** A closed store with a meta and summaries 1 to `count`, the first 20 messages acknowledged: summary 20 is the first that waits. */
  readonly filled = async (count: number): Promise<string> => {
    const directory = join(this.#root, String(this.#stores++));
    const outbox = await this.open(directory);
    await outbox.commit(batchOf([meta("a meta")]));
    for (let seq = 1; seq <= count; seq += 1_000) await outbox.commit(batchOf(summaries(seq, Math.min(1_000, count - seq + 1))));
    await outbox.acknowledge(acked(outbox, 20));
    await outbox.close();
    return directory;
  };

  /** The same, spoilt. */
  readonly wrecked = async (count: number, spoiling?: (bytes: Buffer) => void): Promise<string> => {
    const directory = await this.filled(count);
    spoil(directory, spoiling);
    return directory;
  };

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}
