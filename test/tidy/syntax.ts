import { posix } from "node:path";
import { parseAst } from "vitest/node";
import { lineAt, type SourceFile } from "./repository.ts";

/** A node of the ESTree that the parser of vitest makes; fields are looked at with the helpers below. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

const isNode = (value: unknown): value is SyntaxNode => typeof value === "object" && value !== null && "type" in value && "start" in value;

/** A field that is a node, or null. */
export function child(node: SyntaxNode, field: string): SyntaxNode | null {
  const value = node[field];
  return isNode(value) ? value : null;
}

/** A field that is a list of nodes. */
export function children(node: SyntaxNode, field: string): readonly SyntaxNode[] {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** The name of an identifier, else null. */
export function nameOf(node: SyntaxNode | null): string | null {
  return node?.type === "Identifier" && typeof node.name === "string" ? node.name : null;
}

/** The text of a string, or of a template without holes, else null. */
export function stringOf(node: SyntaxNode | null): string | null {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  const [only, ...others] = node?.type === "TemplateLiteral" ? children(node, "quasis") : [];
  const value = only && others.length === 0 ? (only.value as { cooked?: unknown }).cooked : null;
  return typeof value === "string" ? value : null;
}

const parsed = new Map<string, SyntaxNode>();

/** Parsed once for each text: the planted copies share nearly all of theirs. */
export function syntaxOf(file: SourceFile): SyntaxNode {
  const before = parsed.get(file.text);
  if (before) return before;
  try {
    const tree = parseAst(file.text, { lang: file.path.endsWith(".ts") ? "ts" : "js" }) as unknown as SyntaxNode;
    parsed.set(file.text, tree);
    return tree;
  } catch (cause) {
    throw new Error(`${file.path} cannot be parsed`, { cause });
  }
}

/** Visits every node below `node`, with its parent and the field that it stands in. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent: SyntaxNode, field: string) => void): void {
  for (const [field, value] of Object.entries(node)) {
    for (const next of Array.isArray(value) ? value : [value]) {
      if (!isNode(next)) continue;
      visit(next, node, field);
      walk(next, visit);
    }
  }
}

/** One use of another module. */
export interface Use {
  /** null: computed, so that nobody can tell. */
  readonly specifier: string | null;
  /** Path from the root for a relative import, null for a package, a built-in module or a computed one. */
  readonly target: string | null;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  /** Names of the other module that are used; `*` for all of them. */
  readonly names: readonly string[];
  readonly line: number;
}

const importedNames = (node: SyntaxNode, list: string, field: string): string[] =>
  children(node, list).map((specifier) => nameOf(child(specifier, field)) ?? stringOf(child(specifier, field)) ?? "*");

const everySpecifierIsType = (node: SyntaxNode, field: string): boolean => {
  const specifiers = children(node, "specifiers");
  return specifiers.length > 0 && specifiers.every((specifier) => specifier[field] === "type");
};

/** What one node brings in from elsewhere, or null. */
function useOf(node: SyntaxNode): Pick<Use, "specifier" | "typeOnly" | "names"> | null {
  const source = child(node, "source");
  switch (node.type) {
    case "ImportDeclaration": {
      const typeOnly = node.importKind === "type" || everySpecifierIsType(node, "importKind");
      return { specifier: stringOf(source), typeOnly, names: importedNames(node, "specifiers", "imported") };
    }
    case "ExportNamedDeclaration": {
      const typeOnly = node.exportKind === "type" || everySpecifierIsType(node, "exportKind");
      return source && { specifier: stringOf(source), typeOnly, names: importedNames(node, "specifiers", "local") };
    }
    case "ExportAllDeclaration":
      return { specifier: stringOf(source), typeOnly: node.exportKind === "type", names: ["*"] };
    case "ImportExpression":
      return { specifier: stringOf(source), typeOnly: false, names: ["*"] };
    case "TSImportType":
      return { specifier: stringOf(source), typeOnly: true, names: ["*"] };
    case "CallExpression":
      if (nameOf(child(node, "callee")) !== "require") return null;
      return { specifier: stringOf(children(node, "arguments")[0] ?? null), typeOnly: false, names: ["*"] };
    case "NewExpression": {
      // `new URL("./worker.ts", import.meta.url)`: how a worker or a data file is named.
      const path = stringOf(children(node, "arguments")[0] ?? null);
      const relative = nameOf(child(node, "callee")) === "URL" && path?.startsWith(".") && /\.(ts|mjs)$/.test(path);
      return relative ? { specifier: path, typeOnly: false, names: ["*"] } : null;
    }
    default:
      return null;
  }
}

const known = new Map<string, readonly Use[]>();

/** Every use of another module in a file: static, dynamic, re-exported, as a type, by URL. Looked up once for each path and text. */
export function usesOf(file: SourceFile): readonly Use[] {
  const key = `${file.path}\n${file.text}`;
  const found = known.get(key) ?? findUses(file);
  known.set(key, found);
  return found;
}

function findUses(file: SourceFile): Use[] {
  const uses: Use[] = [];
  walk(syntaxOf(file), (node) => {
    const use = useOf(node);
    if (!use) return;
    const target = use.specifier?.startsWith(".") ? posix.join(posix.dirname(file.path), use.specifier) : null;
    uses.push({ ...use, target, line: lineAt(file.text, node.start) });
  });
  return uses;
}
