import { z } from "zod";
import { findQuantity, stricter } from "../core/reading/quantity.ts";
import type { ChannelSpec, Driver } from "./driver.ts";

/** What JSON Schema says of an option, as far as a table shows it. */
interface OptionSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly anyOf?: readonly OptionSchema[];
  readonly properties?: Readonly<Record<string, OptionSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: OptionSchema | boolean;
  readonly prefixItems?: readonly OptionSchema[];
  readonly items?: OptionSchema;
  readonly examples?: readonly unknown[];
}

const optionSchema = (driver: Driver): OptionSchema =>
  z.toJSONSchema(driver.options, { io: "input", unrepresentable: "any" }) as OptionSchema;

/** Options to show a driver's channels with: its defaults, or the first example that its options give (`.meta({ examples })`). */
export function exampleOptions(driver: Driver): { readonly input: unknown; readonly options: unknown } | null {
  for (const input of [{}, ...(optionSchema(driver).examples ?? [])]) {
    const parsed = driver.options.safeParse(input);
    if (parsed.success) return { input, options: parsed.data };
  }
  return null;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const code = (text: string): string => `\`${text}\``;

/** A Markdown table with aligned columns, as the formatter of this repository has them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((cells) => cells.map(cell));
  const widths = head.map((_, column) => Math.max(3, ...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [first = [], ...others] = all;
  return [line(first), line(widths.map((width) => "-".repeat(width))), ...others.map(line)].join("\n");
}

function channelRow({ name, quantity, unit, range, resolution, sensitivity, cells }: ChannelSpec): string[] {
  const floor = findQuantity(quantity)?.floor ?? "presence";
  const axes = [
    cells?.directions && `by direction (${cells.directions.join(", ")})`,
    cells?.classes && `by class (${cells.classes.join(", ")})`,
  ];
  const split = axes.filter((axis) => axis !== undefined).join(", ");
  return [
    code(name),
    split === "" ? quantity : `${quantity}, ${split}`,
    unit,
    `${range[0]} to ${range[1]}`,
    `${resolution}`,
    stricter(sensitivity, floor),
  ];
}

/** JSON over several lines, with the innermost lists and objects on one. */
function formatExample(input: unknown): string {
  return JSON.stringify(input, null, 2)
    .replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, inside: string) => `[${inside.replace(/\s+/g, " ")}]`)
    .replace(/\{\s+([^{}]*?)\s+\}/g, (_, inside: string) => `{ ${inside.replace(/\s+/g, " ")} }`);
}

/** The channels of a driver as a Markdown table; of a driver whose options decide them, those of its example. */
export function channelTable(driver: Driver): string {
  const example = exampleOptions(driver);
  if (example === null) return "The options decide which channels there are.";
  const rows = driver.channels(example.options).map(channelRow);
  const channels = table(["Channel", "Quantity", "Unit", "Range", "Resolution", "Sensitivity"], rows);
  const isDefault = JSON.stringify(example.input) === "{}";
  return isDefault ? channels : `With these options:\n\n\`\`\`json\n${formatExample(example.input)}\n\`\`\`\n\n${channels}`;
}

function boundsOf({ minimum, maximum, exclusiveMinimum }: OptionSchema): string {
  const isShown = (bound: number | undefined): bound is number => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (isShown(minimum) && isShown(maximum)) return ` ${minimum} to ${maximum}`;
  if (isShown(exclusiveMinimum)) return ` above ${exclusiveMinimum}`;
  if (isShown(minimum)) return ` from ${minimum}`;
  return isShown(maximum) ? ` up to ${maximum}` : "";
}

function typeOf(schema: OptionSchema): string {
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(" or ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeOf).join(", ")}]`;
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  if (schema.type === "integer") return `whole number${boundsOf(schema)}`;
  if (schema.type === "object") return "map";
  return `${schema.type ?? "any"}${boundsOf(schema)}`;
}

function optionRows(schema: OptionSchema, path: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, option]) => {
    const isNeeded = schema.required?.includes(key) ?? false;
    const standard = option.default === undefined ? (isNeeded ? "needed" : "-") : code(JSON.stringify(option.default));
    const each = typeof option.additionalProperties === "object" ? optionRows(option.additionalProperties, `${path}${key}.NAME.`) : [];
    return [[code(path + key), typeOf(option), standard, option.description ?? ""], ...optionRows(option, `${path}${key}.`), ...each];
  });
}

/** The options of a driver as a Markdown table. */
export function optionTable(driver: Driver): string {
  const rows = optionRows(optionSchema(driver), "");
  return rows.length === 0 ? "None." : table(["Option", "Type", "Default", "Meaning"], rows);
}

/** Replaces what stands between the markers of a section; a text without them gets them at its end. */
function replaceSection(text: string, name: string, body: string): string {
  const start = `<!-- generated: ${name} -->`;
  const end = "<!-- /generated -->";
  const section = `${start}\n\n${body}\n\n${end}`;
  const from = text.indexOf(start);
  if (from < 0) return `${text.trimEnd()}\n\n${section}\n`;
  const to = text.indexOf(end, from);
  return text.slice(0, from) + section + (to < 0 ? "\n" : text.slice(to + end.length));
}

/** What stands below the channels: which frames a bad line can change unseen. */
const uncheckedText = ({ unchecked }: Driver): string => (unchecked === undefined ? "" : `\n\nFrames without a checksum: ${unchecked}`);

/** A driver's README.md with its tables of channels and options up to date; what people wrote around them stays. */
export function renderDriverReadme(existing: string, driver: Driver): string {
  const channels = channelTable(driver) + uncheckedText(driver);
  return replaceSection(replaceSection(existing, "channels", channels), "options", optionTable(driver));
}

/** What the catalogue says of a driver, in `drivers/README.md` and in `stoep drivers`. */
export interface CatalogueEntry {
  readonly name: string;
  readonly port: string;
  readonly summary: string;
  /** Channels that are published unasked, or all when none is, each with its unit; null: the options decide. */
  readonly channels: readonly { readonly name: string; readonly unit: string }[] | null;
  /** Those of its channels, with the floors of their quantities; of a driver whose options decide, those of its example. */
  readonly sensitivities: readonly string[];
  readonly testedWith: string;
  /** Its README, from the folder of drivers. */
  readonly link: string;
}

/** The entry of a driver. */
export function catalogueEntry(driver: Driver): CatalogueEntry {
  const { name, port, summary, testedWith = "-" } = driver;
  const example = exampleOptions(driver);
  const all = example === null ? [] : driver.channels(example.options);
  const unasked = all.filter(({ publish }) => publish !== false);
  const isDefault = example !== null && JSON.stringify(example.input) === "{}";
  const channels = isDefault ? (unasked.length > 0 ? unasked : all).map(({ name: id, unit }) => ({ name: id, unit })) : null;
  const sensitivities = new Set(all.map(({ sensitivity, quantity }) => stricter(sensitivity, findQuantity(quantity)?.floor ?? "presence")));
  return { name, port, summary, channels, sensitivities: [...sensitivities], testedWith, link: `${name}/README.md` };
}

/** Channels as a cell: those of a unit together, the unit behind them. `shown`: how a name is written. */
export function channelsCell({ channels }: CatalogueEntry, shown: (name: string) => string): string {
  if (channels === null) return "by its options";
  const byUnit = new Map<string, string[]>();
  for (const { name, unit } of channels) byUnit.set(unit, [...(byUnit.get(unit) ?? []), shown(name)]);
  return [...byUnit].map(([unit, names]) => `${names.join(" ")} ${unit}`).join(", ");
}

/** `drivers/README.md` with its table of these drivers up to date. */
export function renderCatalogue(existing: string, drivers: readonly Driver[]): string {
  const rows = drivers.map((driver) => {
    const entry = catalogueEntry(driver);
    const { name, link, port, summary, sensitivities, testedWith } = entry;
    return [`[${name}](${link})`, port, summary, channelsCell(entry, code), sensitivities.join(", "), testedWith];
  });
  return replaceSection(
    existing,
    "catalogue",
    table(["Driver", "Port", "What it reads", "Channels and units", "Sensitivity", "Tested with"], rows),
  );
}
