import type { z } from "zod";
import { type BaseText, readSource, type Source } from "./extends.ts";
import { inputSchemaOf, type JsonSchema, keysAllowedAt } from "./json-schema.ts";
import { type ConfigProblem, inFileOrder, type Path, pathText, startsWith } from "./problem.ts";
import { DECIMAL_PATHS, type NodeConfig, nodeFileSchema } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";
import { wordIssue } from "./wording.ts";

/** Cutting out one mistake can lay bare another (an empty map, a key without its partner). */
const SALVAGE_ROUNDS_MAX = 16;
/** Most keys that a message lists. */
const KEYS_LISTED_MAX = 12;
/** Most problems that one file is told about. */
export const PROBLEMS_MAX = 100;

/** A node file after its form was checked, and before its drivers were asked. */
export interface ParsedFile {
  /** The name of the file, as it was given: problems start with it. */
  readonly file: string;
  /**
   * What the file says. With problems it is the part of it that could be understood, which is good for naming drivers and
   * for finding further mistakes, and for nothing else; null when there is no such part.
   */
  readonly config: NodeConfig | null;
  readonly problems: readonly ConfigProblem[];
  /** What was written, before defaults and without what `extends` takes out; undefined where it has no structure. */
  readonly value: unknown;
  /** Where something stands, in the file or in the one that it builds on. */
  readonly locate: Source["locate"];
  /** The values that were cut out because they are wrong. A further problem with one of them, or in it, would be its echo. */
  readonly cut: readonly Path[];
}

type Issue = z.core.$ZodIssue;

/**
 * Reads a node file: YAML, keys, types and values. Everything that is wrong with its form is reported at once. `readBase` reads the file
 * that it builds on (`extends`).
 */
export function parseNodeFile(text: string, file: string, readBase?: (name: string) => BaseText): ParsedFile {
  const { value, faults, locate } = readSource(text, file, DECIMAL_PATHS, readBase);
  const mistakes = faults.map(({ path, ...fault }): ConfigProblem => ({ ...fault, path: pathText(path), severity: "error" }));
  const syntax = inFileOrder(mistakes).slice(0, PROBLEMS_MAX);
  const nothing = { file, config: null, value, locate, cut: [] };
  if (value === undefined) return { ...nothing, problems: syntax };
  if (value === null) {
    const message = "is empty: a node file starts with `stoep: 1`; see config/node.example.yaml";
    return { ...nothing, problems: syntax.length > 0 ? syntax : [{ file, line: 1, column: 1, path: "", message, severity: "error" }] };
  }
  const parsed = nodeFileSchema.safeParse(value, { error: wordIssue });
  if (parsed.success) return { file, config: parsed.data, value, problems: syntax, locate, cut: [] };
  const form = problemsOf(parsed.error.issues, [], { locate }, () => inputSchemaOf(nodeFileSchema));
  const problems = inFileOrder([...syntax, ...form]).slice(0, PROBLEMS_MAX);
  return { file, value, problems, locate, ...salvage(value, parsed.error.issues) };
}

/** The names of the drivers that the file asks for, each once. */
export function driversNeeded(config: NodeConfig): readonly string[] {
  return [...new Set(Object.values(config.sensors).map(({ driver }) => driver))];
}

/** What zod found, as problems at their places. `base` is the way from the file to the value that was looked at. */
export function problemsOf(
  issues: readonly Issue[],
  base: Path,
  { locate }: Pick<ParsedFile, "locate">,
  schema: () => JsonSchema,
): readonly ConfigProblem[] {
  const problem = (path: Path, message: string, at: "value" | "key"): ConfigProblem => {
    const whole = [...base, ...path];
    return { ...locate(whole, at), path: pathText(whole), message, severity: "error" };
  };
  return issues.flatMap((issue): ConfigProblem[] => {
    const path = stepsOf(issue.path);
    if (issue.code === "unrecognized_keys") {
      const allowed = keysAllowedAt(schema(), path);
      return issue.keys.map((key) => problem([...path, key], unknownKey(key, allowed), "key"));
    }
    if (issue.code === "invalid_key") return [problem(path, issue.issues[0]?.message ?? issue.message, "key")];
    // What is missing has no place; `locate` falls back to what it is missing from. A map as a whole is its key.
    return [problem(path, issue.message, "value")];
  });
}

function unknownKey(key: string, allowed: readonly string[]): string {
  if (allowed.length === 0) return "is not known here: no key is";
  const guess = didYouMean(key, allowed);
  const known =
    allowed.length <= KEYS_LISTED_MAX || guess === ""
      ? `; ${allowed.length === 1 ? "known is" : "known are"} ${listed(allowed, "and")}`
      : "";
  return `is not a key that is known here${known}${guess}`;
}

const stepsOf = (path: readonly PropertyKey[]): Path => path.map((step) => (typeof step === "number" ? step : String(step)));

/**
 * What is left of a file when everything wrong is cut out, so that its sensors are still compared with their drivers: an
 * operator gets to see all mistakes in one go. What concerns the file as a whole is filled in, since it decides nothing there.
 */
function salvage(value: unknown, issues: readonly Issue[]): Pick<ParsedFile, "config" | "cut"> {
  const cut: Path[] = [];
  let rest = structuredClone(value);
  let found = issues;
  for (let round = 0; round < SALVAGE_ROUNDS_MAX; round++) {
    const wrong = new Map(found.flatMap(wrongPlaces).map((path) => [pathText(path), path]));
    // A file of another version means other things by the same words.
    if (wrong.has("") || wrong.has("stoep")) break;
    const removed = [...wrong.values()].flatMap((path) => remove(rest, path) ?? []);
    if (removed.length === 0 && round > 0) break;
    cut.push(...wrong.values(), ...removed);
    rest = { ...STAND_INS, ...(rest as object) };
    const parsed = nodeFileSchema.safeParse(rest);
    if (parsed.success) return { config: parsed.data, cut };
    found = parsed.error.issues;
  }
  return { config: null, cut };
}

const STAND_INS = { node: { id: "unknown" }, broker: { url: "mqtts://unknown.invalid", prefix: "unknown" } };

function wrongPlaces(issue: Issue): Path[] {
  const path = stepsOf(issue.path);
  return issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
}

/** Removes the value at `path`, or what it is missing from, and tells which of them it was. A list goes as a whole. */
function remove(root: unknown, path: Path): [Path] | null {
  const listIndex = path.findIndex((step) => typeof step === "number");
  const inMaps = listIndex < 0 ? path : path.slice(0, listIndex);
  for (let length = inMaps.length; length > 0; length--) {
    const parent = inMaps.slice(0, length - 1).reduce<unknown>((at, step) => (isRecord(at) ? at[step] : undefined), root);
    const key = inMaps[length - 1] as string;
    if (!isRecord(parent) || !Object.hasOwn(parent, key)) continue;
    delete parent[key];
    return [inMaps.slice(0, length)];
  }
  return null;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether the value at `path`, or something around it, was cut out of the file. */
export const isCut = (path: Path, cut: readonly Path[]): boolean => cut.some((wrong) => startsWith(path, wrong));
