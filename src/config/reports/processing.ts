import type { EvidenceRecord } from "../../core/residency/evidence.ts";
import type { NodePlan } from "../plan.ts";
import { brokerHost, isEncrypted, leavesAs, type Origin, originText, sensorsOfPeople, streamsAboutPeople } from "./facts.ts";
import { markdownText } from "./markdown.ts";
import { brokerPlace, placeText } from "./residency.ts";
import { retentionFacts } from "./retention.ts";
import { BLANK, type Both, blank, type Language, listWords, quantityWords } from "./words.ts";

/** One point of article 30(1) of the GDPR. */
export interface ProcessingPoint {
  /** `a` to `g`. */
  readonly point: string;
  readonly title: string;
  readonly says: readonly string[];
}

/** The entry of a node in the records of processing activities of its controller. */
export interface ProcessingEntry {
  readonly name: string;
  /** Whether any sensor processes data about people; without one there is nothing to enter. */
  readonly isOfPeople: boolean;
  readonly points: readonly ProcessingPoint[];
}

const TITLES: readonly (Both & { readonly point: string })[] = [
  { point: "a", nl: "Verwerkingsverantwoordelijke", en: "Controller" },
  { point: "b", nl: "Doeleinden van de verwerking", en: "Purposes of the processing" },
  { point: "c", nl: "Categorieën van betrokkenen en van persoonsgegevens", en: "Categories of data subjects and of personal data" },
  { point: "d", nl: "Categorieën van ontvangers", en: "Categories of recipients" },
  { point: "e", nl: "Doorgifte aan derde landen", en: "Transfers to third countries" },
  { point: "f", nl: "Termijnen voor het wissen", en: "Time limits for erasure" },
  { point: "g", nl: "Beveiligingsmaatregelen", en: "Security measures" },
];

/** Drafts points b to g of article 30(1) from the config, and of a what it knows. */
export function processing(plan: NodePlan, language: Language, evidence: EvidenceRecord | null = null): ProcessingEntry {
  const { node } = plan;
  const facts: Readonly<Record<string, readonly string[]>> = {
    a: controller(plan, language),
    b: [node.purpose ?? BLANK[language]],
    c: subjects(plan, language),
    d: recipients(plan, language),
    e: transfers(plan, language, evidence),
    f: erasure(plan, language),
    g: security(plan, language),
  };
  return {
    name: node.name === null ? node.id : `${node.name} (${node.id})`,
    isOfPeople: sensorsOfPeople(plan).length > 0,
    points: TITLES.map((title) => ({ point: title.point, title: title[language], says: facts[title.point] ?? [] })),
  };
}

function controller({ node }: NodePlan, language: Language): readonly string[] {
  const { owner } = node;
  const isDutch = language === "nl";
  return [
    owner?.name ?? BLANK[language],
    `Contact: ${owner?.contact ?? BLANK[language]}`,
    `${isDutch ? "Gezamenlijke verwerkingsverantwoordelijken" : "Joint controllers"}: ${BLANK[language]}`,
    `${isDutch ? "Functionaris voor gegevensbescherming" : "Data protection officer"}: ${BLANK[language]}`,
  ];
}

function subjects(plan: NodePlan, language: Language): readonly string[] {
  const sensors = sensorsOfPeople(plan);
  if (sensors.length === 0)
    return [language === "nl" ? "Geen: geen sensor meet iets van mensen." : "None: no sensor measures anything of people."];
  return sensors.map(({ id, channels, consent }) => {
    const of = channels
      .filter(({ sensitivity }) => sensitivity !== "environmental")
      .map(({ quantity }) => quantityWords(quantity, language));
    const agreed = consent === null ? "" : `; ${language === "nl" ? "toestemming" : "consent"}: ${consent}`;
    const where = language === "nl" ? "alleen in het geheugen van de node" : "in the memory of the node only";
    return `${id}: ${listWords([...new Set(of)], language)}, ${where}${agreed}`;
  });
}

function recipients(plan: NodePlan, language: Language): readonly string[] {
  const isDutch = language === "nl";
  const streams = streamsAboutPeople(plan);
  const readings = isDutch ? "Van metingen: niemand." : "Of readings: nobody.";
  if (streams.length === 0) return [readings];
  const gets = streams.map((stream) => `${stream.id} (${leavesAs(stream, language)})`);
  const host = brokerHost(plan);
  const name = blank(language, isDutch ? "naam" : "name");
  return [
    readings,
    `${isDutch ? "Van statistiek: de beheerder van" : "Of statistics: the operator of"} ${host}, ${name}`,
    `${isDutch ? "De statistiek" : "The statistics"}: ${gets.join("; ")}`,
    `${isDutch ? "Andere ontvangers" : "Other recipients"}: ${BLANK[language]}`,
  ];
}

function transfers(plan: NodePlan, language: Language, evidence: EvidenceRecord | null): readonly string[] {
  const host = brokerHost(plan);
  const place = brokerPlace(plan, evidence);
  if (place !== null) {
    const mechanism = place.isInEea ? "" : `; ${language === "nl" ? "doorgiftemechanisme" : "transfer mechanism"}: ${BLANK[language]}`;
    return language === "nl"
      ? ["Van metingen: geen.", `Statistiek gaat naar ${host}; land: ${placeText(place, "nl")}${mechanism}`]
      : ["Of readings: none.", `Statistics go to ${host}; country: ${placeText(place, "en")}${mechanism}`];
  }
  return language === "nl"
    ? ["Van metingen: geen.", `Statistiek gaat naar ${host}; land en, zo nodig, doorgiftemechanisme: ${BLANK.nl}`]
    : ["Of readings: none.", `Statistics go to ${host}; country and, where needed, transfer mechanism: ${BLANK.en}`];
}

function erasure(plan: NodePlan, language: Language): readonly string[] {
  const platform = language === "nl" ? "statistiek op het platform" : "statistics on the platform";
  return [
    ...retentionFacts(plan, language).map(({ what, where, howLong }) => `${what} (${where}): ${howLong}`),
    `${platform}: ${BLANK[language]}`,
  ];
}

function security(plan: NodePlan, language: Language): readonly string[] {
  const isTls = isEncrypted(plan);
  const isDutch = language === "nl";
  const policies = new Set(streamsAboutPeople(plan).map(({ policy }) => policy.is));
  const measures: readonly (Both | null)[] = [
    { nl: "metingen van mensen staan alleen in het geheugen", en: "readings of people are kept in memory only" },
    policies.has("noised")
      ? {
          nl: "aantallen krijgen exacte toevallige ruis, onder een privacybudget dat de node bewaakt",
          en: "counts get exact random noise, under a privacy budget that the node keeps",
        }
      : null,
    policies.has("minimum-count") ? { nl: "kleine aantallen worden verzwegen", en: "small counts are withheld" } : null,
    policies.has("group")
      ? { nl: "huishoudens en parkeervakken worden alleen samen gepubliceerd", en: "households and bays are published together only" }
      : null,
    isTls
      ? { nl: "verbinding met TLS", en: "connection with TLS" }
      : { nl: "de broker staat op dezelfde machine", en: "the broker is on the same machine" },
    { nl: "geen open netwerkpoorten; verbinding met één broker", en: "no open network ports; connection to one broker" },
    { nl: "logboek van wat vertrok, wijzigingen in een keten van SHA-256", en: "log of what left, changes in a chain of SHA-256" },
  ];
  const organisation = blank(language, isDutch ? "maatregelen van de organisatie" : "measures of the organisation");
  return [...measures.flatMap((measure) => (measure === null ? [] : [measure[language]])), organisation];
}

/** The entry as Markdown. */
export function processingText(entry: ProcessingEntry, origin: Origin, language: Language): string {
  const isDutch = language === "nl";
  const title = isDutch ? "Register van verwerkingen, artikel 30 lid 1 AVG" : "Record of processing activities, article 30(1) GDPR";
  const made = isDutch
    ? `Concept, gemaakt door ${originText(origin)}. Wat de configuratie niet zegt, is gemerkt met \`${BLANK.nl}\`.`
    : `Draft, made by ${originText(origin)}. What the config does not say is marked \`${BLANK.en}\`.`;
  const none = isDutch
    ? "Geen sensor van deze node meet iets dat van mensen afkomstig is. Bij een woning kan de plaats een persoonsgegeven zijn."
    : "No sensor of this node measures anything of people. Where a sensor stands at a home, its location may be personal data.";
  const processes = isDutch
    ? "Ook als wat de node verlaat geen persoonsgegeven meer is, is de verwerking in het geheugen daarvoor er wel een."
    : "Even where what leaves the node is no personal data any more, the processing in memory before it is processing of such data.";
  const parts = [`# ${title}`, markdownText(entry.name), `${made} ${entry.isOfPeople ? processes : none}`];
  for (const { point, title: heading, says } of entry.points) {
    parts.push(`## ${point}. ${heading}`, says.map((line) => `- ${lineText(line)}`).join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

/** Texts of the config are escaped, blanks stay as they are. */
function lineText(line: string): string {
  return line
    .split(/(\[(?:in te vullen|to be filled in)[^\]]*\])/)
    .map((part, index) => (index % 2 === 1 ? part : markdownText(part)))
    .join("");
}
