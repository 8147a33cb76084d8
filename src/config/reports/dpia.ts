import { findQuantity } from "../../core/reading/quantity.ts";
import type { NodePlan } from "../plan.ts";
import {
  dataTable,
  declarations,
  measuresTable,
  outcomeTable,
  personTable,
  processingTable,
  residualRisks,
  retentionTable,
} from "./dpia-tables.ts";
import { brokerHost, type Origin, originText, sensorsOfPeople } from "./facts.ts";
import { markdownTable, markdownText } from "./markdown.ts";
import { brokerPlace, placeRule, placeText } from "./residency.ts";
import { BLANK, blank } from "./words.ts";

/** One of the 17 sections of the Rijksmodel DPIA 3.0 (MinBZK/par-dpia-form, sources/dpia.yaml). */
interface Section {
  readonly title: string;
  /** What the config says; null: it is a judgement, which nobody but the controller can give. */
  readonly facts: ((plan: NodePlan, origin: Origin) => string) | null;
  /** What the controller is asked besides. */
  readonly open: string;
}

const SECTIONS: readonly Section[] = [
  {
    title: "Voorstel",
    facts: proposal,
    open: "hoe het voorstel tot stand is gekomen en wat de beweegredenen zijn",
  },
  {
    title: "Persoonsgegevens",
    facts: (plan) =>
      [
        "Wat de sensoren in het geheugen van de node verwerken, voordat er statistiek van gemaakt is:",
        dataTable(plan),
        "De kolom _type_ is een voorstel op grond van de gevoeligheid die de configuratie noemt; bevestig of wijzig het.",
      ].join("\n\n"),
    open: "gegevens uit andere bronnen dan deze node",
  },
  { title: "Gegevensverwerkingen", facts: processings, open: "verwerkingen na ontvangst van de statistiek, op het platform" },
  {
    title: "Technieken en methoden van de gegevensverwerkingen",
    facts: techniques,
    open: "werking van de sensoren zelf, en van het platform",
  },
  {
    title: "Verwerkingsdoeleinden",
    facts: ({ node }) => `Doel volgens de configuratie: ${node.purpose === null ? BLANK.nl : `_${markdownText(node.purpose)}_`}.`,
    open: "het doel per gegevensverwerking",
  },
  { title: "Betrokken partijen", facts: parties, open: "afdelingen, beheerder, installateur, leverancier, afnemers" },
  {
    title: "Belangen bij de gegevensverwerkingen",
    facts: null,
    open: "belang van elke partij, uitkomst van de raadpleging van betrokkenen",
  },
  { title: "Verwerkingslocaties", facts: locations, open: "land waar de broker en het platform staan, doorgiftemechanisme" },
  { title: "Juridisch en beleidsmatig kader", facts: null, open: "wet- en regelgeving en beleid, per gegevensverwerking" },
  {
    title: "Bewaartermijnen",
    facts: retentionTable,
    open: "bewaartermijn van de statistiek op het platform, motivatie van de termijnen",
  },
  { title: "Rechtsgrond", facts: null, open: "rechtsgrond per gegevensverwerking, met toelichting" },
  {
    title: "Bijzondere persoonsgegevens, strafrechtelijke persoonsgegevens en nationale identificatienummers",
    facts: specialData,
    open: "oordeel of zulke gegevens uit de metingen kunnen blijken, bijvoorbeeld door de plaats van de sensor",
  },
  { title: "Doelbinding", facts: null, open: "of verdere verwerking verenigbaar is met het oorspronkelijke doel" },
  { title: "Noodzaak en evenredigheid", facts: null, open: "subsidiariteit en proportionaliteit" },
  { title: "Rechten van de betrokkene", facts: rights, open: "procedures, en beperkingen met hun wettelijke uitzondering" },
  { title: "Risico's voor betrokkenen", facts: null, open: "per risico: oorsprong, kans, impact en inschatting" },
  {
    title: "Maatregelen",
    facts: (plan) =>
      ["Maatregelen die in Stoep zitten of in de configuratie staan:", measuresTable(plan), residualRisks(plan)].join("\n\n"),
    open: "maatregelen van de organisatie, risico-inschatting na maatregelen, beheerder, conclusie en acceptatie",
  },
];

const JUDGEMENT = "**Oordeel: niet ingevuld.** Dit kan niet uit de configuratie worden afgeleid.";

/** Facts of the config for a DPIA after the Dutch Rijksmodel 3.0, in Dutch, as Markdown. Judgements are left blank. */
export function dpia(plan: NodePlan, origin: Origin): string {
  const { node } = plan;
  const name = node.name === null ? node.id : `${node.name} (${node.id})`;
  const parts = [
    `# DPIA, feiten: ${markdownText(name)}`,
    [
      `Gemaakt door ${originText(origin)}.`,
      "Dit is een aanzet en geen DPIA: de tekst bevat wat de configuratie van de node zegt. Wat zij niet",
      `zegt, is gemerkt met \`${BLANK.nl}\`. Zij zegt niets over wat er na ontvangst met de statistiek gebeurt.`,
      "Ook als wat de node verlaat geen persoonsgegeven meer is, is de verwerking in het geheugen daarvoor er wel een:",
      "rechtsgrond en (meestal) DPIA blijven nodig.",
    ].join("\n"),
    "Indeling: Rijksmodel DPIA 3.0. Oordelen staan in de delen 7, 9, 11, 13, 14 en 16.",
    "## 0. Vaststelling",
    markdownTable([
      ["Onderdeel", "Waarde"],
      ["Verwerkingsverantwoordelijke", markdownText(node.owner?.name ?? "") || BLANK.nl],
      ["Contact", markdownText(node.owner?.contact ?? "") || BLANK.nl],
      ["Functie, datum en ondertekening", BLANK.nl],
      ["Advies functionaris voor gegevensbescherming", BLANK.nl],
      ["Versie en status", BLANK.nl],
    ]),
    ...SECTIONS.map((section, index) => sectionText(section, index + 1, plan, origin)),
  ];
  return `${parts.join("\n\n")}\n`;
}

function sectionText({ title, facts, open }: Section, number: number, plan: NodePlan, origin: Origin): string {
  const body = facts === null ? JUDGEMENT : facts(plan, origin);
  return `## ${number}. ${title}\n\n${body}\n\n> ${blank("nl", open)}`;
}

function proposal(plan: NodePlan): string {
  const { node, sensors, groups } = plan;
  const count = sensors.filter(({ enabled }) => enabled).length;
  const of = sensorsOfPeople(plan).map(({ id }) => `\`${id}\``);
  const lines = [
    `De node \`${node.id}\`${node.name === null ? "" : `, ${markdownText(node.name)},`} leest ${count} sensor${count === 1 ? "" : "en"},`,
    "maakt ter plaatse statistiek over vaste tijdvakken en verstuurt alleen die.",
    of.length === 0
      ? "Geen van de sensoren meet iets dat van mensen afkomstig is."
      : `Metingen die van mensen afkomstig zijn, komen van ${of.join(", ")}.`,
    ...(groups.length === 0
      ? []
      : [`Samen met andere, en alleen zo, wordt gepubliceerd: ${groups.map(({ id }) => `\`${id}\``).join(", ")}.`]),
  ];
  return lines.join("\n");
}

function processings(plan: NodePlan): string {
  return [
    processingTable(plan),
    "Wat er van deze gegevens de node verlaat:",
    outcomeTable(plan),
    "De _claim_ is de enige formulering die Stoep voor de stroom gebruikt; zij staat ook in de meta van de sensor, en is met opzet Engels.",
  ].join("\n\n");
}

function techniques(plan: NodePlan): string {
  const parts = [
    [
      "- Geautomatiseerde besluitvorming, profilering: nee. Stoep telt en middelt; van niemand wordt een spoor of profiel bewaard.",
      "- Kunstmatige intelligentie: niet in Stoep. Of de sensor zelf beelden of signalen zo verwerkt, staat niet in de configuratie.",
      `- Cloud: de statistiek gaat naar één broker, \`${brokerHost(plan)}\`, en nergens anders heen.`,
      ...identifiers(plan),
    ].join("\n"),
  ];
  const persons = personTable(plan);
  if (persons !== null)
    parts.push("Wat de getallen met ruis over één persoon vertellen, opgeteld over alle stromen van een account:", persons);
  const declared = declarations(plan);
  if (declared !== null) parts.push("Verklaringen van de beheerder in de configuratie:", declared);
  return parts.join("\n\n");
}

function identifiers({ sensors }: NodePlan): readonly string[] {
  if (!sensors.some(({ enabled, channels }) => enabled && channels.some(({ kind }) => kind === "identity"))) return [];
  return [
    "- Radioadressen en kentekens worden bij binnenkomst gehasht met een geheim dat alleen in het geheugen bestaat en met elk tijdvak",
    "  wisselt; alleen hun aantal wordt gebruikt.",
  ];
}

function specialData({ sensors }: NodePlan): string {
  const unknown = sensors.flatMap(({ id, channels }) =>
    channels.filter(({ quantity }) => findQuantity(quantity) === null).map(({ name, quantity }) => `\`${id}\` ${name} (${quantity})`),
  );
  const known = "Het vocabulaire van Stoep kent geen grootheid voor zulke gegevens.";
  return unknown.length === 0 ? known : `${known} Buiten het vocabulaire, en dus te beoordelen: ${unknown.join(", ")}.`;
}

function parties(plan: NodePlan): string {
  const { owner } = plan.node;
  return markdownTable([
    ["Partij", "Rol", "Toegang tot"],
    [markdownText(owner?.name ?? "") || BLANK.nl, "verwerkingsverantwoordelijke (te bevestigen)", "statistiek"],
    [`beheerder van de broker \`${brokerHost(plan)}\`: ${BLANK.nl}`, `verwerker of ontvanger: ${BLANK.nl}`, "statistiek, status, meta"],
    [`beheerder van de node: ${BLANK.nl}`, BLANK.nl, "wie root is op de node, kan ook de metingen in het geheugen lezen"],
    [`afnemers van de statistiek: ${BLANK.nl}`, "ontvanger", "statistiek"],
    ["voorbijgangers, bewoners", "betrokkene", "zie deel 15"],
  ]);
}

function locations(plan: NodePlan, { evidence }: Origin): string {
  const { node, broker } = plan;
  const found = brokerPlace(plan, evidence);
  const place = node.location === null ? BLANK.nl : `${node.location.latitude}, ${node.location.longitude} (WGS 84)`;
  const host = new URL(broker.url).hostname;
  return [
    markdownTable([
      ["Gegevensverwerking", "Locatie", "Doorgiftemechanisme"],
      ["waarnemen, bewaren in het geheugen, samenvatten", `in de node zelf: ${place}`, "geen doorgifte"],
      [
        "ontvangen en bewaren van statistiek",
        `\`${host}\`, land: ${placeText(found, "nl")}`,
        found?.isInEea === true ? "niet van toepassing (binnen de EER), als dat klopt" : BLANK.nl,
      ],
    ]),
    placeRule(plan),
  ].join("\n\n");
}

function rights({ node }: NodePlan): string {
  const website = node.owner?.website ?? null;
  return [
    "- Inzage, rectificatie, vergetelheid, dataportabiliteit: de node bewaart niets waarin iemand kan worden opgezocht. Metingen van",
    "  mensen worden verwijderd zodra hun tijdvak gesloten is. Of dat volstaat, is een oordeel.",
    "- Geautomatiseerde besluitvorming: Stoep neemt geen besluiten.",
    "- Duidelijke informatie: `stoep report --as notice` maakt een bord;",
    `  website: ${website === null ? BLANK.nl : `<${website}>`}; contact: ${markdownText(node.owner?.contact ?? "") || BLANK.nl}.`,
    `- Bezwaar: ${BLANK.nl}`,
  ].join("\n");
}
