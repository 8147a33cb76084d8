import type { RoadUser } from "../../core/reading/direction.ts";
import { findQuantity, type QuantityName } from "../../core/reading/quantity.ts";

// The closed lists of two sensor registers, and which of their words fit what Stoep measures. Where none does, nothing is said.

/** Themes of SensRNet: src/command/api/model/theme.body.ts, as far as something that Stoep measures is about them. */
type Theme = "Energy" | "Transport" | "SoilAndUnderground" | "Sound" | "EnvironmentalChange" | "Air" | "Water" | "RailAndRoadTraffic";

const AIR = ["pm1", "pm25", "pm4", "pm10", "co2", "co", "no2", "o3", "so2"] as const satisfies readonly QuantityName[];
const WEATHER = [
  "temperature",
  "humidity",
  "pressure",
  "wind_speed",
  "wind_direction",
  "rainfall",
  "irradiance",
] as const satisfies readonly QuantityName[];
const TRAFFIC = ["passages", "speed"] as const satisfies readonly QuantityName[];
const ELECTRICITY = ["energy", "power", "street_lighting_energy"] as const satisfies readonly QuantityName[];

type Themes<Name extends string> = Readonly<Partial<Record<QuantityName, readonly Name[]>>>;

const each = <Name extends string>(quantities: readonly QuantityName[], names: readonly Name[]): Themes<Name> =>
  Object.fromEntries(quantities.map((quantity) => [quantity, names]));

const SENSRNET: Themes<Theme> = {
  ...each(AIR, ["Air"]),
  ...each(WEATHER, ["EnvironmentalChange"]),
  ...each(TRAFFIC, ["RailAndRoadTraffic"]),
  ...each(ELECTRICITY, ["Energy"]),
  gas: ["Energy"],
  water_use: ["Water"],
  water_level: ["Water"],
  soil_moisture: ["SoilAndUnderground"],
  sound_level: ["Sound"],
  bay_state: ["Transport"],
};

/** Themes of SensRNet for a quantity; none where none of them is meant. */
export const sensrnetThemes = (quantity: string): readonly string[] => (isKnown(quantity) ? (SENSRNET[quantity] ?? []) : []);

/** Themes of Amsterdam: migration 0009 of its register. */
const SOIL_WATER_AIR = "Milieu: water, bodem, lucht";
const AMSTERDAM: Themes<string> = {
  ...each(AIR, [SOIL_WATER_AIR]),
  ...each(WEATHER, [SOIL_WATER_AIR]),
  ...each(ELECTRICITY, ["Milieu: energie"]),
  gas: ["Milieu: energie"],
  ...each(["water_use", "water_level", "soil_moisture"], [SOIL_WATER_AIR]),
  sound_level: ["Milieu: geluid"],
  bay_state: ["Mobiliteit: auto"],
};

const CAR = "Mobiliteit: auto";
const BY_ROAD_USER: Readonly<Partial<Record<RoadUser, string>>> = {
  ...{ pedestrian: "Mobiliteit: voetganger", bicycle: "Mobiliteit: fiets", bus: "Mobiliteit: openbaar vervoer" },
  ...{ moped: CAR, motorcycle: CAR, car: CAR, van: CAR, lorry: CAR },
};
/** A sensor that does not tell road users apart sees all of them. */
const EVERYBODY: readonly RoadUser[] = ["car", "bicycle", "pedestrian"];

/** What the register says where none of its words fits. */
export const AMSTERDAM_OTHER = "Overig";

/** Themes of Amsterdam for a quantity, and for the classes of road users that a sensor tells apart. */
export function amsterdamThemes(quantity: string, classes: readonly RoadUser[]): readonly string[] {
  if (TRAFFIC.some((name) => name === quantity)) {
    const seen = classes.length === 0 ? EVERYBODY : classes;
    return [...new Set(seen.flatMap((one) => BY_ROAD_USER[one] ?? []))];
  }
  return isKnown(quantity) ? (AMSTERDAM[quantity] ?? [AMSTERDAM_OTHER]) : [AMSTERDAM_OTHER];
}

const CLIMATE = "Klimaatsensor";
const NEARBY = "Aanwezigheid of nabijheidsensor";
/** Types of Amsterdam: migration 0009 of its register. It has no word for particles; what is in the air is chemistry there. */
const TYPES: Readonly<Partial<Record<QuantityName, string>>> = {
  ...Object.fromEntries(AIR.map((name) => [name, "Chemiesensor"])),
  ...Object.fromEntries(ELECTRICITY.map((name) => [name, "Electriciteitssensor"])),
  ...{ humidity: CLIMATE, wind_speed: CLIMATE, wind_direction: CLIMATE, rainfall: CLIMATE, irradiance: CLIMATE },
  ...{ passages: NEARBY, speed: NEARBY, entries: NEARBY, occupancy: NEARBY, presence: NEARBY, bay_state: NEARBY, devices: NEARBY },
  ...{ gas: "Vloeistof- en gasstroomsensor", water_use: "Vloeistof- en gasstroomsensor" },
  temperature: "Temperatuursensor",
  pressure: "Druksensor",
  sound_level: "Geluidsensor",
  voltage: "Electriciteitssensor",
  plates: "Optische / camera sensor",
};
/** The type of Amsterdam for a sensor that measures these: the one that fits all of them, or other. */
export function amsterdamType(quantities: readonly string[]): string {
  if (quantities.length > 1 && quantities.every((quantity) => WEATHER.some((name) => name === quantity))) return CLIMATE;
  const types = new Set(quantities.map((quantity) => (isKnown(quantity) ? (TYPES[quantity] ?? AMSTERDAM_OTHER) : AMSTERDAM_OTHER)));
  const [only = AMSTERDAM_OTHER, ...more] = types;
  return more.length === 0 ? only : AMSTERDAM_OTHER;
}

const isKnown = (quantity: string): quantity is QuantityName => findQuantity(quantity) !== null;
