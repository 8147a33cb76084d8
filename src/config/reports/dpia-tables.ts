import { claimOf } from "../../core/anonymise/claims.ts";
import { explain } from "../explain.ts";
import type { NodePlan, SensorPlan } from "../plan.ts";
import { brokerHost, declaredAccounts, isEncrypted, isSimulated, leavesAs, sensorsOfPeople, streamsAboutPeople } from "./facts.ts";
import { markdownTable, markdownText } from "./markdown.ts";
import { retentionFacts } from "./retention.ts";
import { BLANK, decimalWords, quantityWords } from "./words.ts";

// The tables of the DPIA, in Dutch.

const HOUSEHOLD = ["energy", "power", "gas", "water_use"];
const whoOf = (quantity: string): string =>
  HOUSEHOLD.includes(quantity) ? "bewoners van een huishouden" : "voorbijgangers en weggebruikers";
const NOBODY = "Geen: geen enkele sensor meet iets dat van mensen afkomstig is.";

/** Section 2: every channel of a sensor of people, published or not. */
export function dataTable(plan: NodePlan): string {
  const rows = sensorsOfPeople(plan).flatMap((sensor) =>
    sensor.channels
      .filter(({ sensitivity }) => sensitivity !== "environmental")
      .map(({ quantity, sensitivity, name }) => [
        `\`${sensor.id}\` ${name}${isSimulated(sensor) ? " (gesimuleerd)" : ""}`,
        whoOf(quantity),
        quantityWords(quantity, "nl"),
        sensitivity === "identifying" ? "gevoelig" : "gewoon",
        `rechtstreeks bij betrokkene${consentOf(sensor)}`,
        markdownText(plan.node.purpose ?? "") || BLANK.nl,
      ]),
  );
  if (rows.length === 0) return NOBODY;
  return markdownTable([["Sensor en kanaal", "Categorie betrokkene", "Persoonsgegeven", "Type", "Bron", "Oorspronkelijk doel"], ...rows]);
}

const consentOf = ({ consent }: SensorPlan): string => (consent === null ? "" : `; toestemming: ${markdownText(consent)}`);

/** Section 3: the steps of the processing. */
export function processingTable(plan: NodePlan): string {
  const sensors = sensorsOfPeople(plan);
  if (sensors.length === 0) return NOBODY;
  const quantities = sensors.flatMap(({ channels }) => channels.filter(({ sensitivity }) => sensitivity !== "environmental"));
  const who = [...new Set(quantities.map(({ quantity }) => whoOf(quantity)))].join("; ");
  const what = [...new Set(quantities.map(({ quantity }) => quantityWords(quantity, "nl")))].join(", ");
  return markdownTable([
    ["Gegevensverwerking", "Betrokkenen en gegevens"],
    ["Waarnemen: de sensor meldt, de node leest", `${who}: ${what}`],
    ["Bewaren van metingen in het geheugen, tot het tijdvak gesloten is", "dezelfde"],
    ["Samenvatten, met ruis of met verzwijgen van kleine aantallen, en metingen verwijderen", "dezelfde"],
    ["Statistiek versturen naar de broker", "de statistiek hieronder"],
    ["Vastleggen wat wanneer naar welk adres ging, en welk privacybudget is besteed", "geen gegevens over personen"],
  ]);
}

/** Section 3: what leaves, with the claim as it is worded everywhere. */
export function outcomeTable(plan: NodePlan): string {
  const streams = streamsAboutPeople(plan);
  if (streams.length === 0) return "Niets: geen stroom over mensen verlaat de node.";
  return markdownTable([
    ["Stroom", "Wat", "Hoe", "Claim"],
    ...streams.map((stream) => [
      `\`${stream.id}\``,
      quantityWords(stream.channel.quantity, "nl"),
      leavesAs(stream, "nl"),
      claimOf(stream).text,
    ]),
  ]);
}

/** Section 4: what is told about one person. Null when nothing is noised. */
export function personTable(plan: NodePlan): string | null {
  const budgets = explain(plan).flatMap(({ budget, leaves }) => (budget === null || !leaves ? [] : [budget]));
  const accounts = new Map(budgets.map((budget) => [budget.account, budget]));
  if (accounts.size === 0) return null;
  const rows = [...accounts.values()].map(({ account, accountTotal, perDay, perCommuterMonth }) => [
    `\`${account}\``,
    decimalWords(accountTotal, "nl"),
    ...perDay.map(({ epsilon }) => decimalWords(epsilon, "nl")),
    decimalWords(perCommuterMonth, "nl"),
  ]);
  const days = budgets[0]?.perDay.map(({ passings }) => `epsilon per dag, ${passings} maal`) ?? [];
  return [
    markdownTable([["Account", "epsilon per gebeurtenis", ...days, "forens: tweemaal per dag, 30 dagen"], ...rows]),
    [
      "Epsilon begrenst hoe goed een lezer van alle getallen kan zien of iets gebeurd is: hoogstens een factor e tot de macht epsilon.",
      "De belofte geldt per gebeurtenis. Hoe vaak iemand passeert, weet de node niet: de aantallen in de tabel zijn aannames. Wie door j",
      "nodes wordt gezien, telt j maal.",
    ].join("\n"),
  ].join("\n\n");
}

/** What the operator declares, and Stoep cannot check. Null when there is nothing. */
export function declarations(plan: NodePlan): string | null {
  const disjoint = declaredAccounts(plan).map(
    ({ account, sensors }) =>
      `- Account \`${account}\` (${sensors.map((id) => `\`${id}\``).join(", ")}): ` +
      "verklaard wordt dat deze mensen niet door een ander account worden gezien.",
  );
  const reasons = plan.sensors.flatMap(({ id, because = {} }) =>
    Object.entries(because).map(
      ([stream, reason]) => `- \`${id}.${stream}\`: verklaard wordt dat dit niet van mensen afkomstig is, want: ${markdownText(reason)}`,
    ),
  );
  const lines = [...disjoint, ...reasons];
  return lines.length === 0 ? null : lines.join("\n");
}

/** Section 10. */
export function retentionTable(plan: NodePlan): string {
  const rows = retentionFacts(plan, "nl").map(({ what, where, howLong }) => [what, where, howLong]);
  return markdownTable([["Gegevens", "Waar", "Bewaartermijn"], ...rows, ["statistiek op het platform", BLANK.nl, BLANK.nl]]);
}

/** Section 17: what is done, and against what. How much risk is left is a judgement. */
export function measuresTable(plan: NodePlan): string {
  const streams = streamsAboutPeople(plan);
  const has = (is: string): boolean => streams.some(({ policy }) => policy.is === is);
  const live = plan.storage.live === null ? "het geheugen van het proces" : `\`${plan.storage.live}\`, in het geheugen`;
  const rows: [string, string][] = [
    [
      "Metingen van mensen komen op een geheugenkaart terecht",
      `zij staan alleen in ${live}; kan de machine geheugen naar een schijf schrijven, dan publiceert de node niets over mensen`,
    ],
    ["De node verzamelt meer dan bedoeld", "wat van mensen afkomstig is, verlaat de node alleen als de configuratie het noemt"],
  ];
  if (has("noised"))
    rows.push([
      "Eén persoon herleiden uit aantallen",
      `exacte toevallige ruis, één keer getrokken; per gebeurtenis hoogstens het privacybudget, bewaakt in een kasboek`,
    ]);
  if (has("minimum-count"))
    rows.push(["Eén persoon herleiden uit kleine aantallen", "kleine aantallen, ook nul, worden verzwegen; geen totaal"]);
  if (has("group"))
    rows.push([
      "Eén huishouden of parkeervak herleiden",
      "alleen samen met andere; bij huishoudens heeft niemand meer dan 15 % van het totaal",
    ]);
  rows.push(
    [
      "Afspraken wijzigen zonder dat het opvalt",
      "een wijziging gaat in met de volgende dag (UTC) en staat in een keten van SHA-256 (`stoep egress`)",
    ],
    [
      "Iemand op de node kijkt mee met een sensor",
      [
        "`stoep watch` en `stoep capture`: alleen met `--people`, hoogstens 10 minuten, vooraf vastgelegd in dezelfde keten en",
        "zichtbaar in de status; identificerende gegevens worden niet getoond, maar staan wel in een opname",
      ].join(" "),
    ],
    ["Gegevens gaan ergens anders heen", `de node verbindt alleen met \`${brokerHost(plan)}\`; wat wanneer vertrok, wordt vastgelegd`],
    [
      "Meelezen of wijzigen onderweg",
      isEncrypted(plan) ? "versleutelde verbinding (TLS)" : "niet versleuteld: de broker staat op dezelfde machine",
    ],
    ["Inbreken over het netwerk", "de node luistert op geen enkele netwerkpoort"],
  );
  const table = rows.map(([risk, measure]) => [risk, measure, BLANK.nl, BLANK.nl]);
  return markdownTable([["Risico", "Maatregel", "Resterend risico", "Beheerder"], ...table]);
}

/** Section 17: what Stoep itself says that it does not protect against. */
export function residualRisks(plan: NodePlan): string {
  if (streamsAboutPeople(plan).length === 0) return "Over mensen wordt niets gepubliceerd.";
  return [
    "Waartegen Stoep zelf niet beschermt:",
    "",
    "- wie elke dag passeert, is als gewoonte minder goed verborgen dan in één passage;",
    "- meer nodes in één straat weten niet van elkaar: wat zij over één persoon vertellen, telt op;",
    "- wie root is op een draaiende node, leest mee; drivers zijn vertrouwde code;",
    ...(streamsAboutPeople(plan).some(({ policy }) => policy.is === "minimum-count" || policy.is === "group")
      ? ["- verzwijgen en samenvoegen is geen differential privacy: wie op één na alle getelden kent, leert iets over de laatste."]
      : []),
  ].join("\n");
}
