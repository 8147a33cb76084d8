import type { Both, Language } from "./words.ts";

// The fixed sentences of the street notice. Each is true of every node that it is printed for: what depends on the config is in notice.ts.

/** A category of Digital Trust for Places and Routines (DTPR v0, Helpful-Places/dtpr, CC BY 4.0), in Dutch beside its own name. */
export const CATEGORIES = {
  accountable: { nl: "Verantwoordelijk", en: "Accountable", dtpr: "Accountable" },
  technology: { nl: "Techniek", en: "Technology", dtpr: "Technology" },
  data: { nl: "Soort gegevens", en: "Type of data", dtpr: "Data Type" },
  process: { nl: "Verwerking", en: "Processing", dtpr: "Processing" },
  access: { nl: "Toegang", en: "Access", dtpr: "Access" },
  retention: { nl: "Bewaren", en: "Storage and retention", dtpr: "Storage, Retention" },
} as const;

export type Category = keyof typeof CATEGORIES;

/**
 * Elements of DTPR that describe how data is processed (elements/en/process__*.md). `De-identified` is not among them: DTPR defines it as
 * removing identifying values after the data left the device, and here they never leave it.
 */
export const PROCESSES = {
  aggregated: { nl: "samengevoegd", en: "aggregated", dtpr: "Aggregated" },
  noised: { nl: "differential privacy (toevallige ruis)", en: "differential privacy (random noise)", dtpr: "Differential privacy" },
  encrypted: { nl: "versleuteld verstuurd", en: "encrypted on its way", dtpr: "Transport Layer Security" },
} as const;

/** Elements of DTPR for the type of data and for access. */
export const VALUES_OVER_TIME = { nl: "Meetwaarden per tijdvak", en: "Values over time", dtpr: "Values / Time" } as const;
export const TO_THE_ORGANISATION = {
  nl: "De verantwoordelijke organisatie",
  en: "The accountable organisation",
  dtpr: "Available to the accountable organization",
} as const;

const both = (nl: string, en: string): Both => ({ nl, en });

export const SENTENCES = {
  title: both("Hier meet een sensor", "A sensor measures here"),
  simulated: both("Proefopstelling: deze gegevens zijn gesimuleerd.", "Trial: this data is simulated."),
  purpose: both("Waarvoor", "What for"),
  purposeBlank: both("waarvoor wordt hier gemeten", "why is this measured here"),
  people: both("En u?", "And you?"),
  nobody: both(
    "Deze sensoren meten de omgeving. Zij meten niets van mensen.",
    "These sensors measure the surroundings, and nothing of people.",
  ),
  stays: both(
    "Van mensen wordt hier wel iets gemeten, maar daarvan verlaat niets het apparaat.",
    "Something of people is measured here, but none of it leaves the device.",
  ),
  memory: both(
    "Metingen van mensen staan alleen in het geheugen van dit apparaat en verdwijnen kort nadat hun tijdvak voorbij is.",
    "Readings of people are in the memory of this device only, and are gone shortly after their window is over.",
  ),
  noised: both(
    "hiervan verlaten aantallen met toevallige ruis het apparaat. Of u hier één keer was, is daaruit niet met zekerheid op te maken.",
    "of this, counts with random noise leave the device. Whether you were here once cannot be told from them for certain.",
  ),
  noisedLimit: both(
    "Een gewoonte van weken, zoals elke dag langskomen, is minder goed verborgen.",
    "A habit of weeks, such as passing every day, is hidden less well.",
  ),
  minimum: both(
    "hiervan verlaten aantallen per tijdvak het apparaat; kleine aantallen worden verzwegen.",
    "of this, counts per window of time leave the device; small counts are withheld.",
  ),
  groups: both(
    "hiervan verlaat alleen één getal over vele vakken of huishoudens samen het apparaat.",
    "of this, only one number for many bays or households together leaves the device.",
  ),
  claims: both("Zoals Stoep het noemt", "In the words of Stoep"),
  readings: both(
    "Metingen van mensen: tot kort na hun tijdvak van ten hoogste",
    "Readings of people: until shortly after their window of at most",
  ),
  rights: both("Uw rechten", "Your rights"),
  complaint: both(
    "Vragen, inzage of bezwaar: neem contact op met de verantwoordelijke. Klachten: de Autoriteit Persoonsgegevens.",
    "Questions, access or objection: contact the accountable organisation. Complaints: the data protection authority.",
  ),
  legalGround: both("Rechtsgrond", "Legal ground"),
  legalBlank: both("grondslag in de AVG", "legal basis under the GDPR"),
  officer: both("Functionaris gegevensbescherming", "Data protection officer"),
  more: both("Meer weten?", "Want to know more?"),
  websiteBlank: both("webadres van de eigenaar, voor de QR-code", "web address of the owner, for the QR code"),
  technologyBlank: both("soort sensor", "kind of sensor"),
  contact: both("Contact", "Contact"),
  others: both("Anderen", "Others"),
  othersBlank: both("wie krijgt de statistiek nog meer", "who else gets the statistics"),
  platform: both("Statistiek bij de organisatie", "Statistics at the organisation"),
  platformBlank: both("bewaartermijn", "how long"),
  leaves: both("Wat het apparaat verlaat", "What leaves the device"),
  nothing: both("niets", "nothing"),
} as const satisfies Readonly<Record<string, Both>>;

export const say = (key: keyof typeof SENTENCES, language: Language): string => SENTENCES[key][language];
