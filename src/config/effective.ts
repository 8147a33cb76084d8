import { inputSchemaOf, isReserved, type JsonSchema } from "./json-schema.ts";
import type { ParsedFile } from "./parse.ts";
import type { NodePlan } from "./plan.ts";
import { type Path, pathText } from "./problem.ts";
import { nodeFileSchema } from "./schema.ts";
import { durationText } from "./values.ts";

/** One line of the file as it is in force. */
export interface EffectiveLine {
  readonly path: Path;
  /** As the file would write it; null for a map, whose keys follow. */
  readonly value: unknown;
  readonly isMap: boolean;
  /** `node.yaml:7`, `default`, `driver sds011`. */
  readonly origin: string;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Everything that is in force, and why: what a file says, or the one that it builds on, the defaults of the form and of drivers, and the
 * streams that a sensor has because nobody named any. Secrets are references, and show as such.
 */
export function effectiveLines(parsed: ParsedFile, plan: NodePlan): readonly EffectiveLine[] {
  const lines: EffectiveLine[] = [];
  const written = (path: Path): string => {
    const { file, line } = parsed.locate(path, "key");
    return `${file}:${line}`;
  };
  const add = (path: Path, value: unknown, origin: string, schema: JsonSchema | undefined): void => {
    const { properties = {}, additionalProperties } = schema ?? {};
    if (!isRecord(value)) {
      lines.push({ path, value, isMap: false, origin });
      return;
    }
    if (path.length > 0) lines.push({ path, value: null, isMap: true, origin });
    const isWritten = origin !== DEFAULT && !origin.startsWith(DRIVER);
    for (const [key, child] of Object.entries(value)) {
      if (path.length === 0 && key === "extends") continue;
      const schemaOf = properties[key] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
      add([...path, key], child, isWritten ? written([...path, key]) : origin, special([...path, key], schemaOf, plan));
    }
    for (const [key, child] of Object.entries(properties)) {
      const fallback = defaultOf(child);
      if (key in value || fallback === undefined || isReserved(child)) continue;
      add([...path, key], fallback, path.includes("options") ? driverOrigin(path, plan) : DEFAULT, child);
    }
    for (const unasked of unaskedStreams(path, value, plan)) add(unasked.path, unasked.value, unasked.origin, undefined);
  };
  add([], parsed.value, "", inputSchemaOf(nodeFileSchema));
  return lines;
}

const DEFAULT = "default";
const DRIVER = "driver ";

/** A default that only holds an empty map or list says nothing, unless its keys have defaults. */
function defaultOf(schema: JsonSchema): unknown {
  const { default: fallback, properties } = schema;
  const isEmpty = Array.isArray(fallback) ? fallback.length === 0 : isRecord(fallback) && Object.keys(fallback).length === 0;
  if (!isEmpty) return fallback;
  return Object.values(properties ?? {}).some((child) => defaultOf(child) !== undefined) ? {} : undefined;
}

const sensorAt = ([section, id]: Path, plan: NodePlan) =>
  section === "sensors" ? plan.sensors.find((sensor) => sensor.id === id) : undefined;

const driverOrigin = (path: Path, plan: NodePlan): string => `${DRIVER}${sensorAt(path, plan)?.driver.name ?? ""}`;

/** The options of a sensor are described by its driver. */
function special(path: Path, schema: JsonSchema | undefined, plan: NodePlan): JsonSchema | undefined {
  const driver = path.length === 3 && path[2] === "options" ? sensorAt(path, plan)?.driver : undefined;
  return driver === undefined ? schema : inputSchemaOf(driver.options);
}

/** Without `streams` a sensor has those of its driver's environmental channels. */
function unaskedStreams(path: Path, value: Readonly<Record<string, unknown>>, plan: NodePlan) {
  const sensor = path.length === 2 && !("streams" in value) ? sensorAt(path, plan) : undefined;
  if (sensor === undefined) return [];
  const streams = sensor.streams.map(({ name, windowMs, latenessMs, policy }) => [
    name,
    { window: durationText(windowMs), lateness: durationText(latenessMs), policy: policy.is },
  ]);
  return [{ path: [...path, "streams"], value: Object.fromEntries(streams) as object, origin: `${DRIVER}${sensor.driver.name}` }];
}

const INDENT = "  ";
/** Column at which origins stand, where a line is not longer. */
const ORIGIN_COLUMN = 60;

/** As YAML, each line with its origin as a comment: the text is a node file again. */
export function effectiveText(lines: readonly EffectiveLine[]): string {
  return lines
    .map(({ path, value, isMap, origin }) => {
      const key = String(path.at(-1));
      const head = `${INDENT.repeat(path.length - 1)}${/^[A-Za-z0-9_.-]+$/.test(key) ? key : JSON.stringify(key)}:`;
      const line = isMap ? head : `${head} ${inline(value)}`;
      return `${line.padEnd(ORIGIN_COLUMN)} # ${origin}\n`;
    })
    .join("");
}

/** JSON is YAML; plain words need no quotes where nothing else could be meant by them. */
function inline(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z/][A-Za-z0-9_./:-]*$/.test(value) && !/^(true|false|null|~)$/i.test(value) && !/:$/.test(value))
    return value;
  if (typeof value === "string" && /^\d+(ms|s|m|h|d|B|KB|MB|GB)$/.test(value)) return value;
  return JSON.stringify(value) ?? "null";
}

/** The same for machines. */
export function effectiveJson(lines: readonly EffectiveLine[]): readonly object[] {
  return lines.filter(({ isMap }) => !isMap).map(({ path, value, origin }) => ({ path: pathText(path), value, origin }));
}
