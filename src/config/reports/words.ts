import { findQuantity, type QuantityName } from "../../core/reading/quantity.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../core/units/time.ts";

// Words of the documents that residents and data protection officers read, in Dutch and in English.

export type Language = "nl" | "en";

/** A text in both languages. */
export type Both = Readonly<Record<Language, string>>;

/** What stands where the config says nothing: a document invents nothing. */
export const BLANK: Both = { nl: "[in te vullen]", en: "[to be filled in]" };

/** A blank that says what belongs there. */
export function blank(language: Language, what: string): string {
  return `${BLANK[language].slice(0, -1)}: ${what}]`;
}

const DUTCH: Readonly<Record<QuantityName, string>> = {
  pm1: "fijnstof tot 1 µm",
  pm25: "fijnstof tot 2,5 µm",
  pm4: "fijnstof tot 4 µm",
  pm10: "fijnstof tot 10 µm",
  co2: "koolstofdioxide",
  co: "koolmonoxide",
  no2: "stikstofdioxide",
  o3: "ozon",
  so2: "zwaveldioxide",
  temperature: "luchttemperatuur",
  humidity: "relatieve luchtvochtigheid",
  pressure: "luchtdruk",
  wind_speed: "windsnelheid",
  wind_direction: "windrichting",
  rainfall: "neerslag",
  illuminance: "verlichtingssterkte",
  irradiance: "zonnestraling",
  sound_level: "geluidsniveau",
  water_level: "waterstand",
  soil_moisture: "bodemvocht",
  voltage: "elektrische spanning",
  street_lighting_energy: "energieverbruik van de straatverlichting",
  cabinet_door: "stand van de deur van een straatkast",
  water_detected: "water waar het niet hoort",
  entries: "aantal mensen of voertuigen dat binnengaat",
  passages: "aantal weggebruikers dat passeert",
  speed: "snelheid van weggebruikers",
  occupancy: "aantal aanwezige mensen",
  presence: "of er iemand aanwezig is",
  bay_state: "of een parkeervak bezet is",
  devices: "aantal verschillende radioapparaten",
  plates: "aantal verschillende kentekens",
  energy: "elektriciteitsverbruik van huishoudens",
  power: "elektrisch vermogen van huishoudens",
  gas: "gasverbruik van huishoudens",
  water_use: "waterverbruik van huishoudens",
};

/** Where the meaning in the vocabulary is written for engineers. */
const ENGLISH: Readonly<Partial<Record<QuantityName, string>>> = {
  pm1: "particulate matter up to 1 µm",
  pm25: "particulate matter up to 2.5 µm",
  pm4: "particulate matter up to 4 µm",
  pm10: "particulate matter up to 10 µm",
  wind_direction: "wind direction",
  sound_level: "sound level",
  soil_moisture: "soil moisture",
  voltage: "voltage",
  cabinet_door: "position of the door of a street cabinet",
  entries: "number of people or vehicles that go in",
  passages: "number of road users that pass",
  occupancy: "number of people present",
  devices: "number of different radio devices",
  plates: "number of different number plates",
  energy: "electricity used by households",
  power: "electrical power of households",
  gas: "gas used by households",
  water_use: "water used by households",
};

/** What a quantity is, in words for residents; one that is not in the vocabulary is called by its name. */
export function quantityWords(quantity: string, language: Language): string {
  const known = findQuantity(quantity);
  if (known === null) return quantity;
  const name = quantity as QuantityName;
  return language === "nl" ? DUTCH[name] : (ENGLISH[name] ?? known.meaning);
}

const UNITS = [
  [DAY_MS, { nl: ["dag", "dagen"], en: ["day", "days"] }],
  [HOUR_MS, { nl: ["uur", "uur"], en: ["hour", "hours"] }],
  [MINUTE_MS, { nl: ["minuut", "minuten"], en: ["minute", "minutes"] }],
  [1_000, { nl: ["seconde", "seconden"], en: ["second", "seconds"] }],
] as const;

/** `15 minuten`, `1 uur`: in the largest unit that divides it. */
export function durationWords(lengthMs: number, language: Language): string {
  for (const [unitMs, words] of UNITS) {
    if (lengthMs % unitMs !== 0) continue;
    const count = lengthMs / unitMs;
    return `${count} ${words[language][count === 1 ? 0 : 1]}`;
  }
  return `${lengthMs} ms`;
}

/** `15 minuten`, and `uur` where it is one: what stands behind `per`. */
export function perWords(lengthMs: number, language: Language): string {
  return durationWords(lengthMs, language).replace(/^1 /, "");
}

/** `a, b en c`. */
export function listWords(items: readonly string[], language: Language): string {
  const [last = "", ...rest] = items.toReversed();
  return rest.length === 0 ? last : `${rest.toReversed().join(", ")} ${language === "nl" ? "en" : "and"} ${last}`;
}

/** A decimal as the language writes it: `0,6`. */
export const decimalWords = (text: string, language: Language): string => (language === "nl" ? text.replace(".", ",") : text);

/** A kind of instrument. `dtpr`: its name in the taxonomy of Digital Trust for Places and Routines, where it has one. */
export interface Technology extends Both {
  readonly dtpr: string | null;
}

const technology = (dtpr: string | null, en: string, nl: string): Technology => ({ dtpr, en, nl });
const AIR = technology("Air Quality", "air quality sensor", "luchtkwaliteitsmeter");
const WEATHER = technology("Weather Station", "weather station", "weerstation");
const RADAR = technology("Radar", "radar", "radar");
const LIDAR = technology(null, "lidar (measures distance with light)", "lidar (meet afstand met licht)");
const ENERGY = technology(null, "electricity meter", "elektriciteitsmeter");

/** Drivers that are for one kind of instrument. */
const BY_DRIVER: Readonly<Record<string, Technology>> = { ops243: RADAR, tfmini: LIDAR, sds011: AIR, pms5003: AIR, sps30: AIR };

/** What a quantity is measured with. That somebody passed can be seen by many means: there the driver has to know. */
const BY_QUANTITY: Readonly<Partial<Record<QuantityName, Technology>>> = {
  ...{ pm1: AIR, pm25: AIR, pm4: AIR, pm10: AIR, co2: AIR, co: AIR, no2: AIR, o3: AIR, so2: AIR },
  ...{ humidity: WEATHER, pressure: WEATHER, wind_speed: WEATHER, wind_direction: WEATHER, rainfall: WEATHER },
  temperature: technology("Thermometer", "thermometer", "thermometer"),
  illuminance: technology(null, "light meter", "lichtmeter"),
  irradiance: technology(null, "solar radiation meter", "zonnestralingsmeter"),
  sound_level: technology("Sound Level Meter", "sound level meter", "geluidsmeter"),
  water_level: technology(null, "water level meter", "waterstandsmeter"),
  soil_moisture: technology("Soil Moisture Sensor", "soil moisture sensor", "bodemvochtsensor"),
  ...{ street_lighting_energy: ENERGY, energy: ENERGY, power: ENERGY },
  gas: technology(null, "gas meter", "gasmeter"),
  water_use: technology(null, "water meter", "watermeter"),
  cabinet_door: technology(null, "door contact", "deurcontact"),
  water_detected: technology(null, "water detector", "watermelder"),
  bay_state: technology(null, "parking sensor", "parkeersensor"),
  devices: technology(null, "radio receiver", "radio-ontvanger"),
};

/** The kind of instrument that a driver and a quantity tell of; null when they do not. */
export function technologyOf(driver: string, quantity: string): Technology | null {
  return BY_DRIVER[driver] ?? BY_QUANTITY[quantity as QuantityName] ?? null;
}
