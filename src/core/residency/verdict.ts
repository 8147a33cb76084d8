import { DAY_MS, type EpochMs } from "../units/time.ts";
import { isAnycast } from "./anycast.ts";
import { countriesOf } from "./countries.ts";
import { type AddressKind, kindOf, parseAddress } from "./ip-address.ts";

/** A database of addresses that is older than this says so (privacy reference §4). It never silences a node. */
export const DATABASE_AGE_MS_MAX = 90 * DAY_MS;

/** What the config asks of the place where the broker stands. */
export interface ResidencyPolicy {
  /** `strict`: no byte to a place that is not proven. `warn`: publish, and tell. */
  readonly mode: "strict" | "warn" | "off";
  /** `EU`, `EEA` or countries, as the file has them. */
  readonly allow: readonly string[];
  /** Whether the country of the network operator must be among `allow` too, or is only written down. */
  readonly operator: "record" | "require";
  /** Addresses in private networks, such as a VPN: the operator of the node declares where they lead, or they are refused. */
  readonly private: "declare" | "refuse";
}

/** What two databases have for one address. null: nothing. */
export interface AddressFacts {
  readonly address: string;
  /** Country where it is used. */
  readonly location: string | null;
  /** Country where the operator of its network is registered. */
  readonly operator: string | null;
}

/** When the databases were made; null: there is none that can be read. */
export interface DatabaseDates {
  readonly location: EpochMs | null;
  readonly operator: EpochMs | null;
}

/** What is known about the host when it is judged. */
export interface ResidencyFacts {
  /** Every address that the name has: one that is elsewhere spoils the rest, for the next connection may go there. */
  readonly addresses: readonly AddressFacts[];
  readonly databases: DatabaseDates;
  /** Trusted time, or null: then nothing is old. */
  readonly now: EpochMs | null;
}

/** Why a verdict is what it is. Codes, for status and evidence. */
export type ResidencyReason =
  | "no-address"
  | "address-unusable"
  | "private-refused"
  | "mixed-kinds"
  | "anycast"
  | "location-outside"
  | "location-unknown"
  | "operator-outside"
  | "operator-unknown"
  | "database-missing"
  | "database-old";

/**
 * `listed`: every address is listed in a country that is allowed. `declared-private`: all of them are private, and the config takes that.
 * `contradicted`: something says that it is elsewhere, or refuses it. `unproven`: nothing says where it is. `loopback`: this machine.
 */
export type ResidencyStanding = "loopback" | "declared-private" | "listed" | "contradicted" | "unproven";

export interface ResidencyVerdict {
  readonly standing: ResidencyStanding;
  /** Whether the node may connect to these addresses. */
  readonly mayConnect: boolean;
  readonly reasons: readonly ResidencyReason[];
}

/** Reasons that are told and change nothing. */
const HARMLESS: ReadonlySet<ResidencyReason> = new Set(["database-old"]);
/** Reasons that speak of ignorance, not of another place. */
const UNPROVEN: ReadonlySet<ResidencyReason> = new Set([
  "no-address",
  "anycast",
  "location-unknown",
  "operator-unknown",
  "database-missing",
]);

/** The reasons without those that change nothing. */
export const decidingReasons = ({ reasons }: ResidencyVerdict): readonly ResidencyReason[] =>
  reasons.filter((reason) => !HARMLESS.has(reason));

/** Judges a host by all of its addresses. */
export function judgeResidency(policy: ResidencyPolicy, facts: ResidencyFacts): ResidencyVerdict {
  const kinds = facts.addresses.map(({ address }) => addressKind(address));
  const standingOf = (reasons: readonly ResidencyReason[]): ResidencyStanding => {
    const serious = reasons.filter((reason) => !HARMLESS.has(reason) && !isOnlyRecorded(reason, policy));
    if (serious.some((reason) => !UNPROVEN.has(reason))) return "contradicted";
    if (serious.length > 0) return "unproven";
    return kinds.every((kind) => kind === "loopback") ? "loopback" : kinds.includes("private") ? "declared-private" : "listed";
  };
  const reasons = [...new Set(kinds.length === 0 ? (["no-address"] as const) : reasonsOf(policy, facts, kinds))].sort();
  const standing = standingOf(reasons);
  const isProven = standing === "loopback" || standing === "declared-private" || standing === "listed";
  return { standing, mayConnect: kinds.length > 0 && (isProven || policy.mode !== "strict"), reasons };
}

/** What kind of address a text is; no address at all is one that nobody can use. */
export function addressKind(text: string): AddressKind {
  const address = parseAddress(text);
  return address === null ? "unusable" : kindOf(address);
}

const isOnlyRecorded = (reason: ResidencyReason, { operator }: ResidencyPolicy): boolean =>
  operator === "record" && (reason === "operator-outside" || reason === "operator-unknown");

function reasonsOf(policy: ResidencyPolicy, facts: ResidencyFacts, kinds: readonly AddressKind[]): readonly ResidencyReason[] {
  const allowed = new Set(countriesOf(policy.allow));
  const reasons: ResidencyReason[] = facts.addresses.flatMap((each, index) =>
    addressReasons(policy, allowed, each, kinds[index] ?? "unusable"),
  );
  // A name that leads into a private network and out of it is not one host.
  if (new Set(kinds).size > 1) reasons.push("mixed-kinds");
  if (kinds.includes("public")) reasons.push(...databaseReasons(policy, facts));
  return reasons;
}

function addressReasons(
  policy: ResidencyPolicy,
  allowed: ReadonlySet<string>,
  { address, location, operator }: AddressFacts,
  kind: AddressKind,
): readonly ResidencyReason[] {
  if (kind === "loopback") return [];
  if (kind === "unusable") return ["address-unusable"];
  if (kind === "private") return policy.private === "refuse" ? ["private-refused"] : [];
  const found: ResidencyReason[] = [];
  const parsed = parseAddress(address);
  if (parsed !== null && isAnycast(parsed)) found.push("anycast");
  if (location === null) found.push("location-unknown");
  else if (!allowed.has(location)) found.push("location-outside");
  if (operator === null) found.push("operator-unknown");
  else if (!allowed.has(operator)) found.push("operator-outside");
  return found;
}

function databaseReasons({ operator }: ResidencyPolicy, { databases, now }: ResidencyFacts): readonly ResidencyReason[] {
  const needed = operator === "require" ? [databases.location, databases.operator] : [databases.location];
  const found: ResidencyReason[] = needed.includes(null) ? ["database-missing"] : [];
  const isOld = (made: EpochMs | null): boolean => made !== null && now !== null && now - made > DATABASE_AGE_MS_MAX;
  if (isOld(databases.location) || isOld(databases.operator)) found.push("database-old");
  return found;
}
