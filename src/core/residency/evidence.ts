import { countriesOf } from "./countries.ts";
import type { AddressFacts, ResidencyPolicy, ResidencyReason, ResidencyStanding } from "./verdict.ts";

/** What was agreed with the broker when the connection was made. Never a secret. */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  /** Key exchange: `X25519MLKEM768` withstands a quantum computer; null where the library does not say. */
  readonly group: string | null;
  /** SHA-256 of the public key of the broker's certificate (SPKI, RFC 7469 §2.4), base64. */
  readonly spki: string;
  /** Who signed that certificate, as it says. */
  readonly issuer: string;
  /** End of that certificate, RFC 3339. */
  readonly validTo: string;
  /** Whether a key of the chain is one that the config pins; null: it pins none. */
  readonly pinned: boolean | null;
}

/** What the provider of the broker declares, as the config has it. */
export interface ProviderDeclaration {
  readonly name: string;
  /** Where it says that it processes: `EU`, `EEA` or countries. */
  readonly processing: readonly string[];
  /** Which document says so: a title, a number, a web address. */
  readonly document: string;
  /** SHA-256 of that document, or null. */
  readonly sha256: string | null;
  /** Last day on which it holds, `2026-11-23`, or null. */
  readonly validUntil: string | null;
}

/** One of the two databases, as it was asked. */
export interface DatabaseFacts {
  /** Day on which it was made. */
  readonly made: string;
  /** Whose data it is: the attribution that its licence asks for. */
  readonly source: string;
}

/** One line of evidence: what the node found when it connected, an hour later, when it refused to, or when it ended a connection. */
export interface EvidenceRecord {
  readonly v: 1;
  readonly node: string;
  readonly instance: string;
  readonly event: "connected" | "hourly" | "refused" | "ended";
  /** RFC 3339. */
  readonly at: string;
  /** Whether that time is vouched for. */
  readonly clockTrusted: boolean;
  readonly host: string;
  readonly port: number;
  /** The address that the node is connected to, or was until now, `host:port`; null: it is not. */
  readonly connectedTo: string | null;
  readonly addresses: readonly AddressFacts[];
  readonly mode: ResidencyPolicy["mode"];
  readonly allow: readonly string[];
  readonly operator: ResidencyPolicy["operator"];
  readonly standing: ResidencyStanding;
  readonly reasons: readonly ResidencyReason[];
  readonly databases: { readonly location: DatabaseFacts | null; readonly operator: DatabaseFacts | null };
  readonly tls: TlsFacts | null;
  readonly provider: ProviderDeclaration | null;
  /** Connections to this address, with this key, since the last record of it that have none of their own; absent: 0. */
  readonly repeats?: number;
  /** `evidenceSentence` of all this: all that the record may be read as. */
  readonly says: string;
  /** Signed with a key that signed none before: that one was not there, or could not be used. */
  readonly newKey?: boolean;
  /** SHA-256 of the record before it; empty in the first. */
  readonly prev: string;
}

/** What a record says, before it is said, signed and chained. */
export type EvidenceFacts = Omit<EvidenceRecord, "says" | "newKey" | "prev">;

const REASON_WORDS: Readonly<Record<ResidencyReason, string>> = {
  "no-address": "the name has no address",
  "address-unusable": "it has an address that no host on the internet has",
  "private-refused": "it has an address in a private network, which the config refuses",
  "mixed-kinds": "its addresses are of different kinds",
  anycast: "it has an address that is answered from many countries",
  "location-outside": "it has an address that is listed outside what the config allows",
  "location-unknown": "it has an address that is listed nowhere",
  "operator-outside": "its network is operated from outside what the config allows",
  "operator-unknown": "nobody is listed as the operator of its network",
  "database-missing": "a database could not be read",
  "database-old": "a database is more than 90 days old",
};

/** A reason in words, for an operator. */
export const reasonWords = (reason: ResidencyReason): string => REASON_WORDS[reason];

/**
 * The sentence that a record may say, and no other (privacy reference §4). It tells what was looked up and when, never where data are:
 * a part that was not found out is left out, and nothing is concluded from the parts.
 */
export function evidenceSentence(record: EvidenceFacts): string {
  const { at, clockTrusted, host, connectedTo, reasons, event } = record;
  const when = clockTrusted
    ? `On ${at.slice(0, 10)}`
    : `On a day that is not known (a clock that nobody vouched for said ${at.slice(0, 10)})`;
  const why = reasons.map(reasonWords).join("; ");
  // Of a moment, not of a day: there may have been a connection before it, and there may be one after.
  if (connectedTo === null) return `${momentWords(record)} the node did not connect to ${host}: ${why}.`;
  if (event === "ended") return `${momentWords(record)} the node ended its connection to ${host}: ${why}.`;
  const parts = [`${when} the node connected only to ${host}, ${placeWords(record)}`, ...tlsWords(record), ...providerWords(record)];
  return `${parts.join("; ")}.${why === "" ? "" : ` Noted: ${why}.`}${repeatWords(record)}`;
}

function momentWords({ at, clockTrusted }: Pick<EvidenceRecord, "at" | "clockTrusted">): string {
  return clockTrusted
    ? `On ${at.slice(0, 10)} at ${at.slice(11, 16)} UTC`
    : `At a time that is not known (a clock that nobody vouched for said ${at})`;
}

function repeatWords({ repeats = 0, tls }: Pick<EvidenceRecord, "repeats" | "tls">): string {
  if (repeats === 0) return "";
  const key = tls === null ? "" : ", with the same key";
  return ` Since the last record of that address${key}, it was connected to ${repeats} more time${repeats === 1 ? "" : "s"}.`;
}

function placeWords({ standing, addresses, databases, allow }: EvidenceFacts): string {
  if (standing === "loopback") return "which is on the same machine";
  if (standing === "declared-private")
    return "whose address is in a private network; where that leads is declared by the operator of the node";
  const made = databases.location === null ? "" : ` (database ${databases.location.made})`;
  const operators = listOf(addresses.map(({ operator }) => operator));
  const network =
    operators === null ? "on a network whose operator is not listed" : `on a network announced by an operator registered in ${operators}`;
  const countries = listOf(addresses.map(({ location }) => location));
  if (countries === null) return `whose address was not listed in any country${made}, ${network}`;
  const outside = addresses.some(({ location }) => location !== null && !countriesOf(allow).includes(location));
  return `whose address was listed in ${countries}${made}${outside ? `, outside of ${allow.join(", ")},` : ""} ${network}`;
}

/** Countries, each once; null when one of them is not known. */
function listOf(countries: readonly (string | null)[]): string | null {
  const known = countries.filter((country) => country !== null);
  return known.length === 0 || known.length < countries.length ? null : [...new Set(known)].sort().join(" and ");
}

function tlsWords({ tls }: Pick<EvidenceRecord, "tls">): readonly string[] {
  if (tls === null) return [];
  if (tls.pinned === true) return ["the TLS key matched the enrolled pin"];
  return ["the TLS certificate was that of the host, and no pin is enrolled"];
}

function providerWords({ provider, at, clockTrusted }: EvidenceFacts): readonly string[] {
  if (provider === null) return [];
  const { validUntil, document, name, processing } = provider;
  if (clockTrusted && validUntil !== null && at.slice(0, 10) > validUntil)
    return [`the declaration of the provider in ${document} ended on ${validUntil}`];
  return [`the provider, ${name}, declared processing in ${processing.join("/")} in ${document}`];
}
