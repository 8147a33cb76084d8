import { basename, dirname, resolve } from "node:path";
import { loadDriver } from "../adapters/driver-loader.ts";
import { readCaptureFile } from "../adapters/replay-bus.ts";
import type { Driver } from "../driver-api/driver.ts";
import { type GoldenFile, parseGolden } from "../driver-api/golden.ts";
import { type OptionSpec, UsageError } from "./command.ts";
import { OWN_DRIVERS } from "./node-file.ts";

// What `stoep replay` and `stoep golden` have in common: a capture, and the driver that is to understand it.

/** A capture that can be read. */
export interface Capture {
  readonly path: string;
  readonly text: string;
  readonly file: GoldenFile;
  /** The driver that it was recorded with, as its head says; null: it does not. */
  readonly driver: string | null;
  /** When it was recorded, milliseconds since 1970; null: nobody knows. */
  readonly atMs: number | null;
}

/** What is wrong with what was given, a line each, in the form FILE:LINE:COLUMN where there is a place. */
export interface Mistakes {
  readonly mistakes: readonly string[];
}

export const isMistaken = (value: object): value is Mistakes => "mistakes" in value;

/** Options of commands that need a driver. */
export const DRIVER_OPTIONS = {
  driver: {
    type: "string",
    value: "NAME",
    says: "the driver, or the folder of one (with a slash, or .); default: the one it was recorded with",
  },
  options: { type: "string", value: "JSON", says: "its options, in place of those that stand in the capture" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

const DRIVER_LINE = /^# sensor: .*\bdriver ([a-z0-9_-]+)@/m;
const TIME_LINE = /^# captured: (\d{4}-\d\d-\d\dT[\d:.]+Z)/m;

/** Reads a capture or a golden file. */
export async function readCapture(path: string): Promise<Capture | Mistakes> {
  try {
    const text = await readCaptureFile(path);
    const result = parseGolden(text);
    if (!result.ok) return { mistakes: result.problems.map(({ line, column, message }) => `${path}:${line}:${column} ${message}`) };
    if (result.file.steps.length === 0) return { mistakes: [`${path}:1:1 it holds no events`] };
    const atMs = Date.parse(TIME_LINE.exec(text)?.[1] ?? "");
    return { path, text, file: result.file, driver: DRIVER_LINE.exec(text)?.[1] ?? null, atMs: Number.isNaN(atMs) ? null : atMs };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { mistakes: [`${path}: ${code === "ENOENT" ? "there is no such file" : message}`] };
  }
}

/** A driver, and the path to put into `driverPaths` where it is none of ours. */
export interface FoundDriver {
  readonly driver: Driver;
  readonly file: string;
  readonly path: string | null;
}

/** Finds the driver that is named, by its name or by its folder, or else the one that the capture was recorded with. */
export async function driverFor(named: string | null, capture: Capture): Promise<FoundDriver | Mistakes> {
  const name = named ?? capture.driver;
  if (name === null) throw new UsageError("--driver NAME is missing: the capture does not say which driver it was recorded with");
  return await findDriver(name);
}

/** Finds a driver of ours by its name, any by its folder or file. */
export async function findDriver(name: string): Promise<FoundDriver | Mistakes> {
  const path = name.includes("/") || /^\.{1,2}$/.test(name) ? dirname(resolve(name)) : null;
  const loaded = await loadDriver(path === null ? name : basename(resolve(name)), [{ path: path ?? OWN_DRIVERS }]);
  if (loaded.ok) return { driver: loaded.driver, file: loaded.file, path };
  return { mistakes: [`${loaded.problem.detail}. What to do: ${loaded.problem.remedy}`] };
}

/** The options that were typed, or else those of the capture. Throws `UsageError`. */
export function optionsFor(typed: string | null, capture: Capture): unknown {
  if (typed === null) return capture.file.options;
  try {
    return JSON.parse(typed);
  } catch (error) {
    throw new UsageError(`--options is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
