import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type DriverPath, listDrivers, loadDriver } from "../adapters/driver-loader.ts";
import type { BaseText } from "../config/extends.ts";
import { driversNeeded, type ParsedFile, parseNodeFile } from "../config/parse.ts";
import type { NodePlan } from "../config/plan.ts";
import { planNode } from "../config/plan-node.ts";
import type { ConfigProblem } from "../config/problem.ts";
import type { NodeConfig } from "../config/schema.ts";
import type { Driver } from "../driver-api/driver.ts";

/** Where the drivers that come with Stoep are: beside `src`, compiled or not. */
export const OWN_DRIVERS = fileURLToPath(new URL("../../drivers", import.meta.url));

const REV_DIGITS = 8;

/** A config file as far as it could be read. */
export interface ReadFile {
  readonly parsed: ParsedFile | null;
  readonly problems: readonly ConfigProblem[];
  /** As it stands on the disk; null when it could not be read. */
  readonly text: string | null;
  /** First 8 hex digits of the SHA-256 of the file, and of the one that it builds on. */
  readonly rev: string;
}

/** Reads and parses; a file that cannot be read is a problem at its first line. */
export function readNodeFile(file: string): ReadFile {
  try {
    return parseText(readFileSync(file, "utf8"), file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message = code === "ENOENT" ? "there is no such file; config/node.example.yaml is one to start from" : `cannot be read (${code})`;
    return { parsed: null, problems: [{ file, line: 1, column: 1, path: "", message, severity: "error" }], text: null, rev: "" };
  }
}

/** The same for a text that stands for `file`: what it builds on is looked for beside it. */
export function parseText(text: string, file: string): ReadFile {
  const hash = createHash("sha256").update(text);
  const parsed = parseNodeFile(text, file, (name) => {
    const base = readBase(isAbsolute(name) ? name : join(dirname(file), name));
    if ("text" in base) hash.update("\0").update(base.text);
    return base;
  });
  return { parsed, problems: parsed.problems, text, rev: hash.digest("hex").slice(0, REV_DIGITS) };
}

function readBase(file: string): BaseText {
  try {
    return { file, text: readFileSync(file, "utf8") };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return { problem: code === "ENOENT" ? `names ${file}, and there is no such file` : `names ${file}, which cannot be read (${code})` };
  }
}

/** A plan with what it was made of. */
export interface PlannedFile extends ReadFile {
  readonly plan: NodePlan | null;
}

/** A file that has a plan. */
export interface Planned {
  readonly plan: NodePlan;
}

/** The plan of a config file, with the drivers it names. Opens no port and needs no secret. */
export function planFile(file: string): Promise<PlannedFile> {
  return planRead(readNodeFile(file), file);
}

/** The plan of a file that was read. */
export async function planRead(read: ReadFile, file: string): Promise<PlannedFile> {
  const { parsed } = read;
  if (parsed === null || parsed.config === null) return { ...read, plan: null };
  const drivers = new Map<string, Driver>();
  const missing = new Map<string, string>();
  const paths = searchPaths(parsed.config, dirname(resolve(file)));
  const needed = driversNeeded(parsed.config);
  await loadInto(drivers, missing, needed, paths);
  // A name that leads nowhere is compared with every driver there is: perhaps it is only misspelt.
  if (needed.some((name) => !drivers.has(name))) await loadInto(drivers, new Map(), await listDrivers(OWN_DRIVERS), paths);
  const planned = planNode(parsed, drivers, missing);
  return { ...read, ...planned };
}

async function loadInto(
  drivers: Map<string, Driver>,
  missing: Map<string, string>,
  names: readonly string[],
  paths: readonly DriverPath[],
): Promise<void> {
  for (const name of names) {
    const loaded = await loadDriver(name, paths);
    if (loaded.ok) drivers.set(name, loaded.driver);
    else if (loaded.problem.code !== "DRIVER_NOT_FOUND") missing.set(name, `${loaded.problem.detail}. ${loaded.problem.remedy}`);
  }
}

function searchPaths(config: NodeConfig, base: string): readonly DriverPath[] {
  return [...config.driverPaths.map(({ path, sha256 }) => ({ path: resolve(base, path), sha256 })), { path: OWN_DRIVERS }];
}

/**
 * What a file that cannot be read as YAML seems to say at a key. Good for finding the node that it once described, and for nothing else:
 * whoever is found is asked who he is.
 */
export function guessed(text: string | null, key: string): string | null {
  const found = new RegExp(`(?:^|[\\s{,])${key}:[ \t]*["']?([^\\s"',}#]+)`, "m").exec(text ?? "");
  return found?.[1] ?? null;
}

/** Socket of a node, beside its live store; null when that is only memory. */
export function controlPath(live: string | null): string | null {
  return live === null || live === "memory" ? null : join(live, "stoep.sock");
}
