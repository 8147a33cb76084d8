import { COUNTRY_GROUPS } from "../../core/residency/countries.ts";
import type { EvidenceRecord } from "../../core/residency/evidence.ts";
import { readBrokerUrl } from "../broker-url.ts";
import type { NodePlan } from "../plan.ts";
import { brokerHost } from "./facts.ts";
import { BLANK, type Language } from "./words.ts";

/** Where the broker was listed when the node was last connected to it. */
export interface BrokerPlace {
  /** `DE`, or `DE en NL`. */
  readonly countries: string;
  /** Day of the database, and of the connection. */
  readonly databaseDay: string;
  readonly day: string;
  /** Whether all of these countries are in the European Economic Area. */
  readonly isInEea: boolean;
  /** Country of the network's operator, or null. */
  readonly operator: string | null;
}

/**
 * The place in a record of evidence, where it has one: about the broker of this file, of a connection, with a clock that was vouched
 * for and a country for every address. Anything less stays a blank for a person to fill in.
 */
export function brokerPlace(plan: NodePlan, record: EvidenceRecord | null | undefined): BrokerPlace | null {
  if (record === null || record === undefined || record.host !== brokerHost(plan)) return null;
  if (record.connectedTo === null || record.event === "ended" || !record.clockTrusted || record.databases.location === null) return null;
  const countries = record.addresses.map(({ location }) => location);
  if (countries.length === 0 || countries.includes(null) || record.reasons.includes("anycast")) return null;
  const operators = [...new Set(record.addresses.map(({ operator }) => operator))];
  return {
    countries: [...new Set(countries)].sort().join(", "),
    databaseDay: record.databases.location.made,
    day: record.at.slice(0, 10),
    isInEea: countries.every((country) => country !== null && (COUNTRY_GROUPS.EEA ?? []).includes(country)),
    operator: operators.length === 1 ? (operators[0] ?? null) : null,
  };
}

/** Only what was looked up, with both days. Where data are, nobody can look up. */
export function placeText(place: BrokerPlace | null, language: Language): string {
  if (place === null) return BLANK[language];
  const { countries, databaseDay, day, operator } = place;
  if (language === "nl") {
    const network = operator === null ? "" : `, netwerk van een exploitant in ${operator}`;
    return `${countries} volgens een adressendatabase van ${databaseDay}, opgezocht op ${day}${network}; te bevestigen`;
  }
  const network = operator === null ? "" : `, on a network of an operator in ${operator}`;
  return `${countries} by an address database of ${databaseDay}, looked up on ${day}${network}; to be confirmed`;
}

/** What the node does about the place of its broker, in Dutch. */
export function placeRule({ broker }: NodePlan): string {
  const url = readBrokerUrl(broker.url);
  if (url.is === "ok" && url.loopback) return "De broker staat op dezelfde machine als Stoep.";
  const { mode, allow } = broker.residency;
  const allowed = allow.join(", ");
  switch (mode) {
    case "strict":
      return `Stoep verbindt alleen met deze broker, en alleen als elk adres ervan in een database in ${allowed} staat.`;
    case "warn":
      return `Stoep verbindt alleen met deze broker, zoekt op waar zijn adressen staan, en meldt het als dat niet in ${allowed} is.`;
    case "off":
      return "Stoep verbindt alleen met deze broker, en kijkt niet in welk land die staat.";
  }
}
