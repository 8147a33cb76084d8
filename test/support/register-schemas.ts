import { z } from "zod";

// What two sensor registers take, written from their own code and not from ours. Unknown keys are refused, as they would be there.

const TEXT_CHARS_MAX = 255;
const text = z.string().min(1).max(TEXT_CHARS_MAX);
/** `@IsOptional` of class-validator lets null pass as well as nothing. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullable().optional();

function oneOf(words: readonly string[]) {
  return z.string().refine((word) => words.includes(word), "is not in the list");
}

/** kadaster-labs/sensrnet-registry-backend, src/command/api/model/theme.body.ts. */
const theme = oneOf([
  ...["Energy", "Agriculture", "Transport", "Waste", "SoilAndUnderground", "Sound", "EnvironmentalChange", "Air", "NatureAndLandscape"],
  ...["Water", "Safety", "SpatialPlanning", "Watermanagement", "Aviation", "PublicTransport", "RailAndRoadTraffic", "Shipping"],
  ...["Construction", "Housing", "Health"],
]);

/** legal-entity/register-organization.body.ts, contact-details/contact-details.body.ts. */
const legalEntity = z.strictObject({
  name: text,
  website: optional(z.url().max(TEXT_CHARS_MAX)),
  contactDetails: optional(z.strictObject({ name: optional(text), email: optional(text), phone: optional(text) })),
});

/** device/register-device.body.ts, location/register-location.body.ts: longitude first. */
const device = z.strictObject({
  name: text,
  description: optional(text),
  category: z.enum(["Sensor", "Camera", "Beacon"]),
  connectivity: optional(text),
  location: z.strictObject({
    name: optional(text),
    description: optional(z.string()),
    location: z.union([z.tuple([longitude(), latitude()]), z.tuple([longitude(), latitude(), z.number()])]),
  }),
});

function longitude() {
  return z.number().min(-180).max(180);
}
function latitude() {
  return z.number().min(-90).max(90);
}

/** sensor/add-sensor.body.ts. */
const sensor = z.strictObject({
  name: text,
  description: text,
  type: text,
  manufacturer: optional(text),
  supplier: optional(text),
  documentation: optional(z.url().max(TEXT_CHARS_MAX)),
});

/** data-stream/add-datastream.body.ts. Its own default of `containsPersonalInfoData` is false, so that it has to be said. */
const datastream = z.strictObject({
  name: z.string().min(1),
  description: optional(z.string()),
  unitOfMeasurement: optional(z.strictObject({ name: optional(z.string()), symbol: optional(z.string()) })),
  observedArea: optional(z.strictObject({ type: z.literal("Polygon"), coordinates: z.array(z.array(z.array(z.number()))) })),
  theme: optional(z.array(theme)),
  dataQuality: optional(z.string()),
  isActive: optional(z.boolean()),
  isPublic: optional(z.boolean()),
  isOpenData: optional(z.boolean()),
  containsPersonalInfoData: z.boolean(),
  isReusable: optional(z.boolean()),
  documentation: optional(z.url()),
  dataLink: optional(z.url()),
});

/** observation-goal/register-observation-goal.body.ts. */
const observationGoal = z.strictObject({
  name: z.string().min(1),
  description: z.string().min(1),
  legalGround: optional(z.string()),
  legalGroundLink: optional(z.string()),
});

export const sensrnetSchema = z.strictObject({
  legalEntity,
  device,
  sensors: z.array(
    z.strictObject({ sensor, datastreams: z.array(z.strictObject({ datastream, observationGoals: z.array(observationGoal) })) }),
  ),
});

/** Amsterdam/iot-api, src/iot/migrations/0009: themes and types that its register starts with; whatever else there is, is `Overig`. */
const amsterdamTheme = oneOf([
  ...["Economie: bouwen en verbouwen", "Economie: dienstensector", "Economie: marketing en reclame", "Economie: markttoezicht"],
  ...["Milieu: afval", "Milieu: energie", "Milieu: geluid", "Milieu: klimaatverandering", "Milieu: natuur- en landschapsbeheer"],
  ...["Milieu: stoffen", "Milieu: water, bodem, lucht", "Mobiliteit: auto", "Mobiliteit: fiets", "Mobiliteit: voetganger"],
  ...["Mobiliteit: luchtvaart", "Mobiliteit: openbaar vervoer", "Mobiliteit: railverkeer", "Mobiliteit: scheepvaart"],
  ...["Veiligheid: bewakings- en/of beveiligingscamera", "Veiligheid: gezondheid", "Overig"],
]);
const amsterdamType = oneOf([
  ...["Optische / camera sensor", "Geluidsensor", "Klimaatsensor", "Chemiesensor", "Electriciteitssensor", "Vloeistof- en gasstroomsensor"],
  ...["Positie- of verplaatsingsensor", "Druksensor", "Dichtheidssensor", "Temperatuursensor", "Aanwezigheid of nabijheidsensor", "Overig"],
]);

/** Amsterdam/iot-api, src/iot/models.py for lengths and what may be null, serializers.py for the keys. */
export const amsterdamSchema = z.array(
  z.strictObject({
    reference: z.string().min(1).max(64),
    owner: z.strictObject({
      name: text,
      email: z.string().min(1),
      telephone: z.string().min(1).max(15),
      organisation: text.nullable(),
      website: z.url().nullable(),
    }),
    type: amsterdamType,
    regions: z.array(z.string()),
    location: z.strictObject({ latitude: latitude(), longitude: longitude() }).nullable(),
    location_description: text.nullable(),
    datastream: text,
    themes: z.array(amsterdamTheme).min(1),
    contains_pi_data: z.boolean(),
    observation_goals: z.array(
      z.strictObject({ observation_goal: text.nullable(), privacy_declaration: z.url().nullable(), legal_ground: z.string().nullable() }),
    ),
    project_paths: z.array(z.array(z.string())),
    active_until: z.iso.date().nullable(),
  }),
);
