/** What kind of statistic a channel allows (DESIGN §3). */
export type Kind = "gauge" | "level" | "direction" | "counter" | "state" | "passage" | "speed" | "identity";

/** How closely a channel stems from people; later is stricter. */
export type Sensitivity = "environmental" | "presence" | "identifying";

export const SENSITIVITIES: readonly Sensitivity[] = ["environmental", "presence", "identifying"];

/** The stricter of two sensitivities. */
export function stricter(a: Sensitivity, b: Sensitivity): Sensitivity {
  return SENSITIVITIES.indexOf(a) >= SENSITIVITIES.indexOf(b) ? a : b;
}

/** One entry of the closed vocabulary: kind, canonical UCUM unit, floor of sensitivity, and what it means. */
export interface Quantity {
  readonly kind: Kind;
  readonly unit: string;
  readonly floor: Sensitivity;
  readonly meaning: string;
  /** For kind `state`: the names of the states, in the order of their number. */
  readonly states?: readonly string[];
}

const environmental = (kind: Kind, unit: string, meaning: string, states?: readonly string[]): Quantity =>
  states ? { kind, unit, floor: "environmental", meaning, states } : { kind, unit, floor: "environmental", meaning };
const presence = (kind: Kind, unit: string, meaning: string, states?: readonly string[]): Quantity =>
  states ? { kind, unit, floor: "presence", meaning, states } : { kind, unit, floor: "presence", meaning };
const identifying = (kind: Kind, unit: string, meaning: string): Quantity => ({ kind, unit, floor: "identifying", meaning });

/**
 * The closed vocabulary of what is measured (CONTRACT §1). Units are UCUM (ucum.org).
 * A quantity that is not here counts as `presence`.
 */
export const QUANTITIES = {
  pm1: environmental("gauge", "ug/m3", "particulate matter up to 1 um"),
  pm25: environmental("gauge", "ug/m3", "particulate matter up to 2.5 um"),
  pm4: environmental("gauge", "ug/m3", "particulate matter up to 4 um"),
  pm10: environmental("gauge", "ug/m3", "particulate matter up to 10 um"),
  co2: environmental("gauge", "[ppm]", "carbon dioxide"),
  co: environmental("gauge", "ug/m3", "carbon monoxide"),
  no2: environmental("gauge", "ug/m3", "nitrogen dioxide"),
  o3: environmental("gauge", "ug/m3", "ozone"),
  so2: environmental("gauge", "ug/m3", "sulphur dioxide"),
  temperature: environmental("gauge", "Cel", "air temperature"),
  humidity: environmental("gauge", "%", "relative humidity"),
  pressure: environmental("gauge", "hPa", "air pressure"),
  wind_speed: environmental("gauge", "m/s", "wind speed"),
  wind_direction: environmental("direction", "deg", "where the wind comes from, clockwise from north"),
  rainfall: environmental("counter", "mm", "precipitation"),
  illuminance: environmental("gauge", "lx", "illuminance"),
  irradiance: environmental("gauge", "W/m2", "solar irradiance"),
  sound_level: environmental("level", "dB", "A-weighted sound pressure level"),
  water_level: environmental("gauge", "m", "water level"),
  soil_moisture: environmental("gauge", "%", "volumetric soil moisture"),
  voltage: environmental("gauge", "V", "supply voltage of the node or a public installation"),
  street_lighting_energy: environmental("counter", "kW.h", "energy of a public lighting cabinet"),
  cabinet_door: environmental("state", "1", "door of a street cabinet", ["closed", "open"]),
  water_detected: environmental("state", "1", "water where none should be", ["dry", "wet"]),
  entries: presence("counter", "1", "people or vehicles that a gate, a loop or a beam counted"),
  passages: presence("passage", "1", "road users that passed"),
  speed: presence("speed", "km/h", "speed of road users"),
  occupancy: presence("gauge", "1", "people present"),
  presence: presence("state", "1", "whether anybody is present", ["absent", "present"]),
  bay_state: presence("state", "1", "whether one parking bay is taken", ["free", "taken"]),
  devices: identifying("identity", "1", "distinct radio devices"),
  plates: identifying("identity", "1", "distinct number plates"),
  energy: identifying("counter", "kW.h", "electrical energy of a household"),
  power: identifying("gauge", "W", "electrical power of a household"),
  gas: identifying("counter", "m3", "gas used by a household"),
  water_use: identifying("counter", "m3", "water used by a household"),
} as const satisfies Record<string, Quantity>;

export type QuantityName = keyof typeof QUANTITIES;

/** The vocabulary entry of a name, or null when the name is not in the vocabulary. */
export function findQuantity(name: string): Quantity | null {
  return Object.hasOwn(QUANTITIES, name) ? QUANTITIES[name as QuantityName] : null;
}
