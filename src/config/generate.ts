import { inputSchemaOf, isReserved, type JsonSchema } from "./json-schema.ts";
import { nodeFileSchema } from "./schema.ts";

/** `config/node.schema.json`: completes and checks a node file in an editor. `check` knows more: it asks the drivers. */
export function jsonSchemaText(): string {
  const { $schema, ...rest } = inputSchemaOf(nodeFileSchema);
  const schema = { $schema, title: "Stoep node file", description: "One street sensor node. See config/reference.md.", ...rest };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

const HEAD = `# Configuration reference

Generated from the schema in \`src/config\`; do not edit. How to write a file, step by step, is in [README.md](README.md).

A key in **bold** is required. \`NAME\` stands for a name that you choose. A default is what holds when the key is absent.
Durations are \`500ms\`, \`30s\`, \`15m\`, \`1h\`, \`30d\`; sizes are \`64KB\`, \`256MB\` (KB, MB and GB are thousands). Relative paths
start at the folder of the file.
`;

/** `config/reference.md`: every key with type, default, meaning and example, one table per section of the file. */
export function referenceMarkdown(): string {
  const root = inputSchemaOf(nodeFileSchema);
  const sections = Object.entries(root.properties ?? {}).filter(([, schema]) => !isReserved(schema));
  const simple = sections.filter(([, schema]) => !isSection(schema));
  const parts = [
    HEAD,
    section(
      "The file",
      "",
      simple.flatMap(([key, schema]) => rowsOf(key, schema, isRequired(root, key))),
    ),
  ];
  for (const [key, schema] of sections) {
    if (!isSection(schema)) continue;
    const required = isRequired(root, key) ? " Required." : "";
    parts.push(section(`\`${key}\``, `${schema.description ?? ""}${required}`, childRows(key, schema)));
  }
  const reserved = reservedRows("", root);
  if (reserved.length > 0) parts.push(`## Reserved\n\n${table([["Key", "What it will be"], ...reserved])}`);
  return parts.join("\n");
}

type Row = readonly string[];

const isSection = (schema: JsonSchema): boolean => schema.properties !== undefined || typeof schema.additionalProperties === "object";
const isRequired = (parent: JsonSchema, key: string): boolean => parent.required?.includes(key) === true;

function section(title: string, intro: string, rows: readonly Row[]): string {
  const text = intro === "" ? "" : `${intro}\n\n`;
  return `## ${title}\n\n${text}${table([["Key", "Type", "Default", "Meaning", "Example"], ...rows])}`;
}

/** A table with columns as wide as their widest cell, which reads as text too. The first row is its head. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: Row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  const [head = "", ...body] = cells.map(line);
  return [head, line(widths.map((width) => "-".repeat(width))), ...body].join("");
}

/** One row for the key, and one for each key below it. */
function rowsOf(path: string, schema: JsonSchema, required: boolean): Row[] {
  if (isReserved(schema)) return [];
  const fallback = schema.default === undefined || isEmptyMap(schema.default) ? "" : inCode(schema.default);
  const [example] = schema.examples ?? [];
  const name = required ? `**\`${path}\`**` : `\`${path}\``;
  const row = [name, typeOf(schema), fallback, schema.description ?? "", example === undefined ? "" : inCode(example)];
  return [row, ...childRows(path, schema)];
}

/** Keys of a map that the schema names, of one entry (`NAME`) of a map that the operator names, of one item of a list. */
function childRows(path: string, schema: JsonSchema): Row[] {
  const { properties = {}, additionalProperties: entry, items } = schema;
  const rows = Object.entries(properties).flatMap(([key, child]) => rowsOf(`${path}.${key}`, child, isRequired(schema, key)));
  if (typeof entry === "object") rows.push(...childRows(`${path}.NAME`, entry));
  if (items !== undefined) rows.push(...childRows(`${path}[]`, items));
  return rows;
}

function reservedRows(path: string, schema: JsonSchema): Row[] {
  const { properties = {}, additionalProperties: entry } = schema;
  const rows = Object.entries(properties).flatMap(([key, child]): Row[] => {
    const childPath = path === "" ? key : `${path}.${key}`;
    const meaning = (child.description ?? "").replace(/^\(later\) /, "");
    return isReserved(child) ? [[`\`${childPath}\``, meaning]] : reservedRows(childPath, child);
  });
  return typeof entry === "object" ? [...rows, ...reservedRows(`${path}.NAME`, entry)] : rows;
}

/** More values than this are a kind of their own, whose title and description say what they are. */
const VALUES_LISTED_MAX = 5;

function typeOf(schema: JsonSchema): string {
  const values = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  if (values !== undefined && values.length <= VALUES_LISTED_MAX) return values.map(inCode).join(", ");
  if (schema.title !== undefined) return schema.title;
  if (schema.type === "boolean") return "`true`, `false`";
  if (schema.type === "object") return "map";
  return String(schema.type ?? "");
}

const isEmptyMap = (value: unknown): boolean => typeof value === "object" && value !== null && Object.keys(value).length === 0;
const inCode = (value: unknown): string => `\`${inYaml(value)}\``;

/** A value in YAML's flow form, as it would be written in a file. */
function inYaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inYaml).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${key}: ${inYaml(item)}`)
      .join(", ")} }`;
  }
  return String(value);
}
