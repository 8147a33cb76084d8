import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type DriverPath, listDrivers, loadDriver } from "../adapters/driver-loader.ts";
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
  /** First 8 hex digits of the SHA-256 of the file. */
  readonly rev: string;
}

/** Reads and parses; a file that cannot be read is a problem at its first line. */
export function readNodeFile(file: string): ReadFile {
  try {
    const text = readFileSync(file, "utf8");
    const parsed = parseNodeFile(text, file);
    return { parsed, problems: parsed.problems, rev: createHash("sha256").update(text).digest("hex").slice(0, REV_DIGITS) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message = code === "ENOENT" ? "there is no such file; config/node.example.yaml is one to start from" : `cannot be read (${code})`;
    return { parsed: null, problems: [{ file, line: 1, column: 1, path: "", message, severity: "error" }], rev: "" };
  }
}

/** The plan of a config file, with the drivers it names. Opens no port and needs no secret. */
export async function planFile(file: string): Promise<{ plan: NodePlan | null; problems: readonly ConfigProblem[]; rev: string }> {
  const { parsed, problems, rev } = readNodeFile(file);
  if (parsed === null || parsed.config === null) return { plan: null, problems, rev };
  const drivers = new Map<string, Driver>();
  const missing = new Map<string, string>();
  const paths = searchPaths(parsed.config, dirname(resolve(file)));
  const needed = driversNeeded(parsed.config);
  await loadInto(drivers, missing, needed, paths);
  // A name that leads nowhere is compared with every driver there is: perhaps it is only misspelt.
  if (needed.some((name) => !drivers.has(name))) await loadInto(drivers, new Map(), await listDrivers(OWN_DRIVERS), paths);
  const planned = planNode(parsed, drivers, missing);
  return { plan: planned.plan, problems: planned.problems, rev };
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

/** Socket of a node, beside its live store; null when that is only memory. */
export function controlPath(live: string | null): string | null {
  return live === null || live === "memory" ? null : join(live, "stoep.sock");
}

const USUAL_SOCKET = "/run/stoep/stoep.sock";

/** The socket of the node that a config file describes; the usual place when the file cannot be read. */
export function socketOf(file: string): string {
  return controlPath(readNodeFile(file).parsed?.config?.storage.live ?? "/run/stoep") ?? USUAL_SOCKET;
}
