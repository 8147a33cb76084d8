import type { EvidenceRecord } from "../core/residency/evidence.ts";
import type { AddressFacts } from "../core/residency/verdict.ts";
import type { EpochMs } from "../core/units/time.ts";

/** Turns a name into addresses, as the machine does it. */
export interface NameResolver {
  /** Every address of the name, in the order of preference. Rejects with a `code` as Node has it: `ENOTFOUND`, `EAI_AGAIN`. */
  addresses(host: string): Promise<readonly string[]>;
}

/** A database of addresses. */
export interface BookFacts {
  readonly made: EpochMs;
  /** Whose data it is: the attribution that its licence asks for. */
  readonly source: string;
}

/** What two databases have. */
export interface BookEntries {
  readonly addresses: readonly AddressFacts[];
  /** null: it cannot be read. */
  readonly location: BookFacts | null;
  readonly operator: BookFacts | null;
}

/** Databases that know in which country an address is used, and in which the operator of its network is registered. */
export interface CountryBooks {
  /** Never rejects: a database that cannot be read has nothing. */
  lookUp(addresses: readonly string[]): Promise<BookEntries>;
}

/** A record before it is signed and chained to the one before it. */
export type NewEvidence = Omit<EvidenceRecord, "newKey" | "prev">;

/** Signed records of where the node connected to. Bounded: the oldest go. */
export interface EvidenceLog {
  /** On the card when it resolves. Rejects when it cannot be written; the next one is tried anew. */
  append(record: NewEvidence): Promise<void>;
}
