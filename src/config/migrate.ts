import { type Document, isMap, isScalar, type Pair, parseDocument, type Scalar } from "yaml";
import { type ConfigProblem, type Path, pathText } from "./problem.ts";

/** One change between two versions of the file's form. `*` in a path stands for every key. */
export type MigrationChange =
  /** The key at `path` is called `to` from now on; its value stays. */
  | { readonly rename: Path; readonly to: string }
  /** A plain value at `path` is written another way; null: it stays. */
  | { readonly rewrite: Path; readonly as: (source: string) => string | null };

/** How a file of version `from` becomes one of version `from + 1`. */
export interface MigrationStep {
  readonly from: number;
  /** In one line, for the operator. */
  readonly says: string;
  readonly changes: readonly MigrationChange[];
}

/** The version of the form that this Stoep reads. */
export const FORM_VERSION = 1;

/** Every step that there was, from the oldest version on. The first form is the present one, so there is none. */
export const MIGRATIONS: readonly MigrationStep[] = [];

/** One place that was changed. */
export interface Migrated {
  readonly line: number;
  readonly path: string;
  readonly was: string;
  readonly is: string;
}

export type Migration =
  | { readonly is: "nothing"; readonly version: number }
  | { readonly is: "migrated"; readonly text: string; readonly changes: readonly Migrated[]; readonly says: readonly string[] }
  | { readonly is: "refused"; readonly problems: readonly ConfigProblem[] };

/** A piece of the text to be exchanged. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly is: string;
  readonly path: Path;
}

/**
 * Brings a file to the present version. Only the words that have to change are exchanged in the text, so that comments, order, quotes and
 * spacing stay as somebody wrote them.
 */
export function migrate(text: string, file: string, steps = MIGRATIONS, target = FORM_VERSION): Migration {
  const changes: Migrated[] = [];
  const says: string[] = [];
  let current = text;
  for (;;) {
    const document = parseDocument(current, { version: "1.2", schema: "core", merge: false, uniqueKeys: true, prettyErrors: false });
    const at = (offset: number) => ({ file, ...positionOf(current, offset) });
    const refuse = (offset: number, path: string, message: string): Migration => ({
      is: "refused",
      problems: [{ ...at(offset), path, message, severity: "error" }],
    });
    const [fault] = document.errors;
    if (fault !== undefined) return refuse(fault.pos[0], "", "is not valid YAML: repair it first; stoep check says more");
    const stamp = scalarAt(document, ["stoep"]);
    const version = stamp?.value;
    if (stamp === null || typeof version !== "number") return refuse(0, "stoep", "is missing: which version of the form is it?");
    const offset = stamp.range?.[0] ?? 0;
    if (version > target) return refuse(offset, "stoep", `is ${version}, and this Stoep reads up to ${target}: install a newer one`);
    if (version === target) return changes.length === 0 ? { is: "nothing", version } : { is: "migrated", text: current, changes, says };
    const step = steps.find(({ from }) => from === version);
    if (step === undefined) return refuse(offset, "stoep", `is ${version}: there is no way from it to ${target}`);
    const edits = editsOf(document, current, step);
    const clash = edits.find((edit) => "message" in edit);
    if (clash !== undefined && "message" in clash) return refuse(clash.start, pathText(clash.path), clash.message);
    const all = [...(edits as readonly Edit[]), editOf(stamp, String(version + 1), ["stoep"])];
    for (const edit of all) {
      changes.push({ line: at(edit.start).line, path: pathText(edit.path), was: current.slice(edit.start, edit.end), is: edit.is });
    }
    says.push(step.says);
    current = applied(current, all);
  }
}

interface Clash {
  readonly start: number;
  readonly path: Path;
  readonly message: string;
}

function editsOf(document: Document.Parsed, text: string, { changes }: MigrationStep): readonly (Edit | Clash)[] {
  return changes.flatMap((change) => {
    const isRename = "rename" in change;
    return pairsAt(document.contents, isRename ? change.rename : change.rewrite, []).flatMap(
      ({ pair, siblings, path }): (Edit | Clash)[] => {
        if (isRename) {
          if (!isScalar(pair.key)) return [];
          const start = pair.key.range?.[0] ?? 0;
          const message = `is called "${change.to}" from now on, and that is there already: keep one`;
          return siblings.includes(change.to) ? [{ start, path, message }] : [editOf(pair.key, change.to, path)];
        }
        if (!isScalar(pair.value)) return [];
        const [start, end] = pair.value.range ?? [0, 0];
        const is = change.as(text.slice(start, end));
        return is === null ? [] : [editOf(pair.value, is, path)];
      },
    );
  });
}

interface Found {
  readonly pair: Pair;
  readonly siblings: readonly string[];
  readonly path: Path;
}

const keyOf = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : "");

function pairsAt(node: unknown, [step, ...rest]: Path, way: Path): readonly Found[] {
  if (!isMap(node) || step === undefined) return [];
  const pairs = node.items.filter((pair) => step === "*" || keyOf(pair) === step);
  return pairs.flatMap((pair): readonly Found[] => {
    const path = [...way, keyOf(pair)];
    return rest.length === 0 ? [{ pair, siblings: node.items.map(keyOf), path }] : pairsAt(pair.value, rest, path);
  });
}

function scalarAt(document: Document.Parsed, path: Path): Scalar | null {
  const node: unknown = document.getIn(path, true);
  return isScalar(node) ? node : null;
}

function editOf(node: Scalar, is: string, path: Path): Edit {
  const [start, end] = node.range ?? [0, 0];
  return { start, end, is, path };
}

function applied(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((result, { start, end, is }) => result.slice(0, start) + is + result.slice(end), text);
}

function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}
