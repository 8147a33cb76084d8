import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { ChargedSpan } from "../../core/anonymise/ledger.ts";
import type { LedgerReading } from "../../ports/outbox.ts";

/** A row of the table `ledger`. */
export type LedgerRow = ChargedSpan & { readonly crc: number };

/** The row to store for a span, with its CRC. */
export const ledgerRow = (span: ChargedSpan): LedgerRow => ({ ...span, crc: ledgerCrc(span) });

/** CRC-32 (zlib's) over every column but itself. */
function ledgerCrc({ stream, account, windowMs, epsilonMicro, fromMs, toMs }: ChargedSpan): number {
  return crc32(`${stream} ${account} ${windowMs} ${epsilonMicro} ${fromMs} ${toMs}`);
}

/** The spans of the rows that are what was written, and how many are not. */
export function ledgerReading(rows: readonly LedgerRow[]): LedgerReading {
  const intact = rows.filter((row) => ledgerCrc(row) === row.crc);
  return { spans: intact.map(({ crc: _, ...span }) => span), damaged: rows.length - intact.length };
}

/** Hash of a change: SHA-256 over the hash before it, its time and its text. The first one stands on the empty text. */
export function changeHash(before: string, atMs: number, text: string): string {
  return createHash("sha256").update(`${before}\n${atMs}\n${text}`, "utf8").digest("hex");
}
