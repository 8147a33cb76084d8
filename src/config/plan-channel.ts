import { findQuantity, type Kind, SENSITIVITIES, type Sensitivity, stricter } from "../core/reading/quantity.ts";
import type { Calibration, ChannelPlan } from "../core/reading/stream.ts";
import type { ChannelSpec } from "../driver-api/driver.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { SensorConfig, StreamConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";

/** A stream that the operator named on a channel. */
export interface NamedStream {
  readonly path: Path;
  readonly config: StreamConfig;
}

/**
 * Settles one channel: what its driver declares, what the vocabulary knows and what the operator tightens. Every stream of a
 * channel is made of the same readings, so the strictest word about one of them holds for all.
 */
export function planChannel(
  spec: ChannelSpec,
  streams: readonly NamedStream[],
  calibration: Calibration | null,
  report: PlanReport,
): ChannelPlan {
  const quantity = findQuantity(spec.quantity);
  const declared = quantity === null ? customSensitivity(spec, streams) : stricter(spec.sensitivity, quantity.floor);
  let sensitivity = declared;
  for (const { path, config } of streams) {
    if (config.because !== undefined && quantity !== null) {
      report.error([...path, "because"], `is for a quantity outside the vocabulary; ${spec.quantity} is in it`);
    }
    if (config.sensitivity === undefined) continue;
    if (stricter(config.sensitivity, declared) !== config.sensitivity) loosened(spec, path, config, declared, report);
    sensitivity = stricter(sensitivity, config.sensitivity);
  }
  return {
    name: spec.name,
    quantity: spec.quantity,
    kind: quantity?.kind ?? customKind(spec),
    unit: spec.unit,
    sensitivity,
    showsLife: declared === "environmental",
    range: spec.range,
    resolution: spec.resolution,
    cells: spec.cells ?? {},
    maxPerPassage: spec.maxPerPassage ?? 1,
    states: spec.states ?? quantity?.states ?? [],
    warmUpMs: spec.warmUpMs ?? 0,
    calibration,
  };
}

/** A quantity that nobody vetted counts as presence, until the operator says in writing why it is not (CONTRACT §1). */
function customSensitivity(spec: ChannelSpec, streams: readonly NamedStream[]): Sensitivity {
  const vouchedFor = streams.some(({ config }) => config.sensitivity === "environmental" && config.because !== undefined);
  return vouchedFor ? spec.sensitivity : stricter(spec.sensitivity, "presence");
}

/** The kind of a quantity outside the vocabulary, by what its channel declares. */
function customKind(spec: ChannelSpec): Kind {
  if (spec.cells !== undefined) return "passage";
  return spec.states === undefined ? "gauge" : "state";
}

function loosened(spec: ChannelSpec, path: Path, config: StreamConfig, declared: Sensitivity, report: PlanReport): void {
  const allowed = SENSITIVITIES.filter((sensitivity) => stricter(sensitivity, declared) === sensitivity);
  const custom = findQuantity(spec.quantity) === null && config.sensitivity === "environmental" && spec.sensitivity === "environmental";
  const how = custom ? `; ${spec.quantity} is not in the vocabulary, so it also needs because: with the reason` : "";
  report.error([...path, "sensitivity"], `can only be tightened: channel ${spec.name} is ${declared}, allowed is ${listed(allowed)}${how}`);
}

/** Which corrections make sense for which kind: a passage cannot be scaled, an offset on increments would invent rain. */
const CORRECTIONS: Readonly<Record<Kind, readonly ("scale" | "offset")[]>> = {
  gauge: ["scale", "offset"],
  level: ["scale", "offset"],
  direction: ["offset"],
  counter: ["scale"],
  speed: ["scale", "offset"],
  state: [],
  passage: [],
  identity: [],
};

/** The calibration of each channel, by its name. */
export function planCalibrations(
  sensor: SensorConfig,
  channels: readonly ChannelSpec[],
  sensorPath: Path,
  report: PlanReport,
): ReadonlyMap<string, Calibration> {
  const { calibration } = sensor;
  const planned = new Map<string, Calibration>();
  if (calibration === undefined) return planned;
  const path = [...sensorPath, "calibration"];
  const { channels: byChannel = {}, ...common } = calibration;
  const names = channels.map(({ name }) => name);
  for (const name of Object.keys(byChannel)) {
    if (names.includes(name)) continue;
    report.error(
      [...path, "channels", name],
      `is not a channel of this sensor: it has ${listed(names, "and")}${didYouMean(name, names)}`,
      "key",
    );
  }
  for (const key of ["scale", "offset"] as const) {
    if (common[key] === undefined || channels.length <= 1) continue;
    report.error([...path, key], `is for one channel, and this sensor has ${listed(names, "and")}: write it under channels:`);
  }
  for (const spec of channels) {
    const own = byChannel[spec.name] ?? {};
    const ownPath = byChannel[spec.name] === undefined ? path : [...path, "channels", spec.name];
    const { scale = 1, offset = 0, date, validUntil, by } = { ...common, ...withoutGaps(own) };
    const kind = findQuantity(spec.quantity)?.kind ?? customKind(spec);
    for (const key of ["scale", "offset"] as const) {
      const written = own[key] ?? (channels.length === 1 ? common[key] : undefined);
      if (written === undefined || CORRECTIONS[kind].includes(key)) continue;
      const allowed =
        CORRECTIONS[kind].length === 0 ? "nothing can be corrected" : `only ${CORRECTIONS[kind].join(" and ")} can be corrected`;
      report.error([...ownPath, key], `does not fit channel ${spec.name} of kind ${kind}: ${allowed}`);
    }
    planned.set(spec.name, { scale, offset, ...withoutGaps({ date, validUntil, by }) });
  }
  return planned;
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Leaves out the keys that hold nothing, as `exactOptionalPropertyTypes` wants it. */
export function withoutGaps<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Present<T>;
}
