import { type DocumentFault, readYaml, type YamlFile } from "./document.ts";
import type { Path, Place } from "./problem.ts";

/** A file that another one builds on, or why it cannot be read. */
export type BaseText = { readonly file: string; readonly text: string } | { readonly problem: string };

/** One file, or two as one. */
export interface Source {
  /** `undefined` when a text has no reliable structure. */
  readonly value: unknown;
  readonly faults: readonly (DocumentFault & { readonly file: string })[];
  locate(path: Path, at?: "value" | "key"): Place;
}

type Map = Record<string, unknown>;
const isMap = (value: unknown): value is Map => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * `own` over `base`: maps merge key by key, lists and everything else replace, null takes a key of the base out (CONTRACT §5). A null
 * that takes nothing out stays, so that an empty key is still a mistake.
 */
export function merged(base: unknown, own: unknown): unknown {
  if (!isMap(base) || !isMap(own)) return own;
  const result: Map = { ...base };
  for (const [key, value] of Object.entries(own)) {
    if (value === null && Object.hasOwn(base, key)) delete result[key];
    else result[key] = Object.hasOwn(base, key) ? merged(base[key], value) : value;
  }
  return result;
}

/** Reads a file and, where it says `extends: FILE`, that one under it: one level. Every value knows which of them it is from. */
export function readSource(
  text: string,
  file: string,
  sourceTextAt: readonly Path[],
  readBase: ((name: string) => BaseText) | undefined,
): Source {
  const own = readYaml(text, sourceTextAt);
  const faults = own.faults.map((fault) => ({ ...fault, file }));
  const locate: Source["locate"] = (path, at) => ({ file, ...own.locate(path, at) });
  const name = isMap(own.value) ? own.value.extends : undefined;
  if (typeof name !== "string") return { value: own.value, faults, locate };
  const base = readBase?.(name) ?? { problem: "cannot be followed here: no file is read" };
  // Everything that stands in the other file would be called missing: that it cannot be read says enough.
  if ("problem" in base)
    return { value: undefined, faults: [...faults, { ...locate(["extends"]), path: ["extends"], message: base.problem }], locate };
  return joined({ file, yaml: own }, { file: base.file, yaml: readYaml(base.text, sourceTextAt) });
}

interface Part {
  readonly file: string;
  readonly yaml: YamlFile;
}

function joined(own: Part, base: Part): Source {
  const ofBase: (DocumentFault & { file: string })[] = base.yaml.faults.map((fault) => ({ ...fault, file: base.file }));
  if (isMap(base.yaml.value) && "extends" in base.yaml.value) {
    const message = `is one level deep: ${own.file} builds on this file, so it cannot build on another one`;
    ofBase.push({ ...base.yaml.locate(["extends"], "key"), file: base.file, path: ["extends"], message });
  } else if (base.yaml.value !== undefined && !isMap(base.yaml.value)) {
    ofBase.push({ ...base.yaml.locate([]), file: base.file, path: [], message: "is no map of keys and values: nothing can build on it" });
  }
  return {
    value: base.yaml.value === undefined || own.yaml.value === undefined ? undefined : merged(base.yaml.value, own.yaml.value),
    faults: [...own.yaml.faults.map((fault) => ({ ...fault, file: own.file })), ...ofBase],
    // Whichever file leads further towards it; what both have is the own file's word.
    locate: (path, at) => {
      const { file, yaml } = base.yaml.depthOf(path) > own.yaml.depthOf(path) ? base : own;
      return { file, ...yaml.locate(path, at) };
    },
  };
}
