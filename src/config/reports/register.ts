import { claimOf } from "../../core/anonymise/claims.ts";
import type { StreamPlan } from "../../core/reading/stream.ts";
import type { NodePlan, SensorPlan } from "../plan.ts";
import { isOfPeople, isSimulated, leavesAs } from "./facts.ts";
import { amsterdamThemes, amsterdamType, sensrnetThemes } from "./register-lists.ts";
import { BLANK, listWords, quantityWords, technologyOf } from "./words.ts";

/**
 * Entries for a sensor register, in the shape of SensRNet (kadaster-labs/sensrnet-registry-backend, src/command/api/model) and in that of
 * Amsterdam (Amsterdam/iot-api, src/iot/models.py and serializers.py), in Dutch. `toBeFilledIn` has the path of everything that the config
 * does not say: a text there is `[in te vullen]`, anything else is null.
 */
export interface Register {
  readonly sensrnet: object;
  readonly amsterdam: readonly object[];
  readonly toBeFilledIn: readonly string[];
}

/** The longest text that both registers take in a field; Amsterdam's `reference` and `telephone` are shorter. */
const TEXT_CHARS_MAX = 255;
const REFERENCE_CHARS_MAX = 64;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

export function register(plan: NodePlan): Register {
  const entries = { sensrnet: sensrnet(plan), amsterdam: plan.sensors.filter(({ enabled }) => enabled).map((one) => amsterdam(plan, one)) };
  return { ...entries, toBeFilledIn: blanks(entries, "") };
}

/** The paths of everything that was left open. */
function blanks(value: unknown, path: string): readonly string[] {
  if (value === null || value === BLANK.nl) return [path];
  if (Array.isArray(value)) return value.flatMap((item, index) => blanks(item, `${path}[${index}]`));
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, child]) => blanks(child, path === "" ? key : `${path}.${key}`));
}

function cut(text: string, charsMax = TEXT_CHARS_MAX): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}

const emailOf = ({ node }: NodePlan): string => (EMAIL.test(node.owner?.contact ?? "") ? (node.owner?.contact ?? BLANK.nl) : BLANK.nl);
/** A contact that is no address of mail is a name or a place to ask. */
const contactName = ({ node }: NodePlan): string => {
  const contact = node.owner?.contact ?? null;
  return contact === null || EMAIL.test(contact) ? BLANK.nl : cut(contact);
};

function sensrnet(plan: NodePlan): object {
  const { node } = plan;
  const website = node.owner?.website ?? null;
  const site = node.location;
  const point = site === null ? null : [site.longitude, site.latitude, ...(site.height === null ? [] : [site.height])];
  return {
    legalEntity: {
      name: cut(node.owner?.name ?? BLANK.nl),
      ...(website === null ? {} : { website }),
      contactDetails: { name: contactName(plan), email: emailOf(plan), phone: BLANK.nl },
    },
    device: {
      name: cut(node.name ?? node.id),
      description: cut(`Sensorknooppunt ${node.id}, met Stoep: maakt ter plaatse statistiek van wat het meet`),
      category: plan.sensors.some(({ channels }) => channels.some(({ quantity }) => quantity === "plates")) ? "Camera" : "Sensor",
      location: { ...(node.name === null ? {} : { name: cut(node.name) }), location: point },
    },
    sensors: [
      ...plan.sensors.map((sensor) => ({
        sensor: {
          name: sensor.id,
          description: cut(describe(sensor)),
          type: cut(typeOf(sensor)),
          ...(website === null ? {} : { documentation: website }),
        },
        datastreams: sensor.streams
          .filter(({ policy }) => policy.is !== "withheld")
          .map((stream) => datastream(plan, stream, sensor.enabled, isSimulated(sensor))),
      })),
      ...plan.groups.map(({ id, stream, simulated }) => ({
        sensor: { name: id, description: cut(`Groep: ${leavesAs(stream, "nl")}`), type: "Groep van sensoren" },
        datastreams: [datastream(plan, stream, true, simulated)],
      })),
    ],
  };
}

function describe(sensor: SensorPlan): string {
  const measured = [...new Set(sensor.channels.map(({ quantity }) => quantityWords(quantity, "nl")))];
  const parts = [`Meet ${listWords(measured, "nl")}`, `driver ${sensor.driver.name}`];
  if (sensor.instrument !== null) parts.push(sensor.instrument);
  if (isSimulated(sensor)) parts.push("gesimuleerd");
  return parts.join("; ");
}

function typeOf({ driver, channels }: SensorPlan): string {
  const kinds = channels.map(({ quantity }) => technologyOf(driver.name, quantity)?.nl ?? null);
  const known = [...new Set(kinds.filter((kind) => kind !== null))];
  return known.length === 0 ? BLANK.nl : listWords(known, "nl");
}

/** `containsPersonalInfoData` is about the processing: noise in what leaves does not change what was processed to make it. */
function datastream(plan: NodePlan, stream: StreamPlan, isActive: boolean, isMadeUp: boolean): object {
  const { channel, name, sensor } = stream;
  const { website } = plan.node.owner ?? { website: null };
  return {
    datastream: {
      name: cut(`${sensor}.${name}`),
      description: `${quantityWords(channel.quantity, "nl")}: ${leavesAs(stream, "nl")}${isMadeUp ? "; gesimuleerd" : ""}`,
      unitOfMeasurement: { name: channel.unit, symbol: channel.unit },
      theme: sensrnetThemes(channel.quantity),
      dataQuality: `Claim: ${claimOf(stream).text}`,
      isActive,
      isPublic: null,
      isOpenData: null,
      containsPersonalInfoData: stream.sensitivity !== "environmental",
      isReusable: null,
      ...(website === null ? {} : { documentation: website }),
    },
    observationGoals: [
      {
        name: cut(plan.node.purpose ?? BLANK.nl),
        description: plan.node.purpose ?? BLANK.nl,
        legalGround: BLANK.nl,
        legalGroundLink: BLANK.nl,
      },
    ],
  };
}

function amsterdam(plan: NodePlan, sensor: SensorPlan): object {
  const { node } = plan;
  const { id, channels } = sensor;
  const website = node.owner?.website ?? null;
  const site = sensor.location ?? node.location;
  const quantities = channels.map(({ quantity }) => quantity);
  const measured = [...new Set(quantities.map((quantity) => quantityWords(quantity, "nl")))];
  return {
    // Of a name that is too long the end is kept: it tells the sensors of a node apart.
    reference: `${node.id}/${id}`.slice(-REFERENCE_CHARS_MAX),
    owner: {
      name: contactName(plan),
      email: emailOf(plan),
      telephone: BLANK.nl,
      organisation: cut(node.owner?.name ?? BLANK.nl),
      website,
    },
    type: amsterdamType(quantities),
    regions: [],
    location: site === null ? null : { latitude: site.latitude, longitude: site.longitude },
    location_description: cut(node.name ?? BLANK.nl),
    datastream: cut(`${listWords(measured, "nl")}${isSimulated(sensor) ? " (gesimuleerd)" : ""}`),
    themes: [...new Set(channels.flatMap(({ quantity, cells }) => amsterdamThemes(quantity, cells.classes ?? [])))],
    contains_pi_data: isOfPeople(sensor),
    observation_goals: [{ observation_goal: cut(node.purpose ?? BLANK.nl), privacy_declaration: null, legal_ground: BLANK.nl }],
    project_paths: [],
    active_until: null,
  };
}
