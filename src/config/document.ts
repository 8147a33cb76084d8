import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, Parser, parseDocument, type YAMLError } from "yaml";
import type { Path, Position } from "./problem.ts";

/** Longest file that is read, in UTF-16 units: a thousand sensors fit with room to spare. */
const FILE_CHARS_MAX = 1_048_576;
/** Deepest nesting. The library recurses over the nodes, so a file of brackets would exhaust the stack. */
const NESTING_MAX = 32;

/** Something wrong with the YAML itself, or with a part of YAML that node files do without. */
export interface DocumentFault extends Position {
  readonly path: Path;
  readonly message: string;
}

/** A YAML file as plain values that know where they stood. */
export interface YamlFile {
  /** `undefined` when the text has no reliable structure: then there is nothing to look into. */
  readonly value: unknown;
  readonly faults: readonly DocumentFault[];
  /** Where the value at `path` stands, or its key; for what is not there, the nearest thing around it. */
  locate(path: Path, at?: "value" | "key"): Position;
  /** How many steps of `path` there are in this file. */
  depthOf(path: Path): number;
}

const START: Position = { line: 1, column: 1 };

/**
 * Reads one YAML 1.2 document (core schema: `no` is text, `0o17` is octal). `sourceTextAt` lists the paths of numbers whose
 * source text is wanted in place of the float; `*` in a path stands for every key. A node file can be read from top to bottom by
 * somebody who does not know YAML well, so anchors, aliases, merge keys, tags, directives and further documents are refused.
 */
export function readYaml(text: string, sourceTextAt: readonly Path[]): YamlFile {
  const refused = (message: string): YamlFile => ({
    value: undefined,
    faults: [{ ...START, path: [], message }],
    locate: () => START,
    depthOf: () => 0,
  });
  if (text.length > FILE_CHARS_MAX) return refused(`is longer than ${FILE_CHARS_MAX} characters: this is not a node file`);
  if (nestingOf(text) > NESTING_MAX) return refused(`is nested deeper than ${NESTING_MAX} levels: this is not a node file`);

  // The version and schema are named although they are defaults today: what a file means must not change with the library.
  const document = parseDocument(text, {
    ...{ version: "1.2", schema: "core", merge: false },
    ...{ uniqueKeys: true, stringKeys: true, prettyErrors: false },
  });
  const positionOf = positionsIn(text);
  const faults = document.errors.map((error): DocumentFault => {
    const offset = error.code === "TAB_AS_INDENT" ? indentOf(text, error.pos[0]) : error.pos[0];
    const path = error.code === "MULTIPLE_DOCS" ? [] : pathAt(document, offset);
    return { ...positionOf(offset), path, message: syntaxMessage(error, document, path, positionOf) };
  });
  const locate = (path: Path, at: "value" | "key" = "value") => positionOf(offsetOf(document, path, at));
  const where = { locate, depthOf: (path: Path) => depthIn(document, path) };
  // A doubled key leaves the structure whole, so the rest is worth looking into; after anything else it would be guesswork.
  if (document.errors.some(({ code }) => code !== "DUPLICATE_KEY")) return { value: undefined, faults: firstOfEachLine(faults), ...where };
  const refusals = refusedParts(document).map(({ offset, path, message }) => ({ ...positionOf(offset), path, message }));
  if (refusals.length > 0) return { value: undefined, faults: [...faults, ...refusals], ...where };

  for (const path of sourceTextAt) {
    for (const node of nodesAt(document.contents, path)) {
      if (isScalar(node) && typeof node.value === "number" && node.source !== undefined) node.value = node.source;
    }
  }
  return { value: document.toJS(), faults, ...where };
}

/** Every node at a path; `*` is every key of a map. */
function nodesAt(node: unknown, [step, ...rest]: Path): readonly unknown[] {
  if (step === undefined) return [node];
  if (!isMap(node)) return [];
  const pairs = node.items.filter(({ key }) => step === "*" || (isScalar(key) && key.value === step));
  return pairs.flatMap(({ value }) => nodesAt(value, rest));
}

/** Offsets to lines and columns. The library's own LineCounter leaves out lines that follow an error. */
function positionsIn(text: string): (offset: number) => Position {
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  return (offset) => {
    const within = Math.min(offset, text.length);
    const index = lineStarts.findLastIndex((start) => start <= within);
    return { line: index + 1, column: within - (lineStarts[index] ?? 0) + 1 };
  };
}

/** How deep the text is nested, counted on tokens, without recursion. */
function nestingOf(text: string): number {
  let deepest = 0;
  for (const token of new Parser().parse(text)) {
    const waiting: [token: unknown, depth: number][] = [[token, 0]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [part, depth] = next;
      if (typeof part !== "object" || part === null) continue;
      deepest = Math.max(deepest, depth);
      const { value, items } = part as { value?: unknown; items?: readonly { key?: unknown; value?: unknown }[] };
      waiting.push([value, depth]);
      for (const item of items ?? []) waiting.push([item.key, depth + 1], [item.value, depth + 1]);
    }
  }
  return deepest;
}

/** The first tab at or after `offset`: the library points at the end of the line before. */
function indentOf(text: string, offset: number): number {
  const tab = text.indexOf("\t", offset);
  return tab < 0 ? offset : tab;
}

type Parsed = Document.Parsed;
const keyText = (pair: Pair): string => (isScalar(pair.key) ? String(pair.key.value) : "?");
const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

/** The path of the innermost value that starts at or before `offset`. */
function pathAt(document: Parsed, offset: number): Path {
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    const isBefore = (candidate: unknown) => (startOf(candidate) ?? Number.POSITIVE_INFINITY) <= offset;
    if (isMap(node)) {
      const pair = node.items.findLast(({ key }) => isBefore(key));
      if (pair === undefined) return path;
      path.push(keyText(pair));
      node = isBefore(pair.value) ? pair.value : null;
    } else if (isSeq(node)) {
      const index = node.items.findLastIndex(isBefore);
      if (index < 0) return path;
      path.push(index);
      node = node.items[index];
    } else return path;
  }
}

function depthIn(document: Parsed, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) if (document.hasIn(path.slice(0, depth))) return depth;
  return 0;
}

/** Where the value (or key) at `path` starts. Of a doubled key the last counts, as it does for its value. */
function offsetOf(document: Parsed, path: Path, at: "value" | "key"): number {
  let node: unknown = document.contents;
  let keyStart = startOf(node) ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.findLast((candidate) => keyText(candidate) === String(step));
      if (pair === undefined) return keyStart;
      keyStart = startOf(pair.key) ?? keyStart;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number" && step < node.items.length) {
      node = node.items[step];
      keyStart = startOf(node) ?? keyStart;
    } else return keyStart;
  }
  const written = isScalar(node) && node.source !== "" && node.range !== undefined && node.range !== null;
  return at === "value" && written ? (startOf(node) ?? keyStart) : keyStart;
}

function syntaxMessage(error: YAMLError, document: Parsed, path: Path, positionOf: (offset: number) => Position): string {
  if (error.code === "TAB_AS_INDENT") return "is indented with a tab: YAML is indented with spaces";
  if (error.code === "MULTIPLE_DOCS") return "starts a second document (---): a node file is one";
  if (error.code === "NON_STRING_KEY") return "has a key that is not plain text";
  if (error.code === "BAD_ALIAS") return "has an alias (*), which node files do without: write the value again";
  // The library repeats what it stumbled over, which can be half of a password: the place says enough.
  if (error.code !== "DUPLICATE_KEY") return `is not valid YAML: ${error.message.replace(/:.*$/su, "")}`;
  const parent: unknown = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  const first = isMap(parent) ? parent.items.find((pair) => keyText(pair) === path.at(-1)) : undefined;
  return `is written twice, first in line ${positionOf(startOf(first?.key) ?? 0).line}: keep one`;
}

/** One slip often makes the library complain several times; the first says enough. */
function firstOfEachLine(faults: readonly DocumentFault[]): readonly DocumentFault[] {
  return faults.filter((fault, index) => faults.findIndex(({ line }) => line === fault.line) === index);
}

interface Refusal {
  readonly offset: number;
  readonly path: Path;
  readonly message: string;
}

/** Parts of YAML that node files do without. Recursion is safe: the nesting was measured before. */
function refusedParts(document: Parsed): readonly Refusal[] {
  const found: Refusal[] = [];
  if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1) {
    found.push({ offset: 0, path: [], message: "starts with a directive (%), which node files do without" });
  }
  const refuse = (node: unknown, path: Path, message: string) => found.push({ offset: startOf(node) ?? 0, path, message });
  const look = (node: unknown, path: Path): void => {
    if (isAlias(node)) refuse(node, path, "is an alias (*), which node files do without: write the value again");
    const { anchor, tag } = (node ?? {}) as { anchor?: string; tag?: string };
    if (anchor !== undefined) refuse(node, path, "has an anchor (&), which node files do without: write the value where it is needed");
    if (tag !== undefined) refuse(node, path, "has a tag (!), which node files do without");
    if (isSeq(node)) for (const [index, item] of node.items.entries()) look(item, [...path, index]);
    if (!isMap(node)) return;
    for (const pair of node.items) {
      const key = keyText(pair);
      look(pair.key, [...path, key]);
      if (key === "<<") refuse(pair.key, [...path, key], "is a merge key, which node files do without: write the values again");
      // JavaScript gives this name a meaning of its own, and the schema would pass over it.
      if (key === "__proto__") refuse(pair.key, [...path, key], "cannot be a key");
      look(pair.value, [...path, key]);
    }
  };
  look(document.contents, []);
  return found;
}
