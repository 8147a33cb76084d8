import { createHash } from "node:crypto";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { driverApi } from "../driver-api/api.ts";
import type { Driver } from "../driver-api/driver.ts";
import { scanImports } from "./driver-imports.ts";
import { driverShapeProblem } from "./driver-shape.ts";

/** One entry of `driverPaths`: a folder of drivers, or one driver's file. `sha256`: the hash, in hex, that its file must have. */
export interface DriverPath {
  readonly path: string;
  readonly sha256?: string | undefined;
}

export type DriverProblemCode =
  | "DRIVER_NAME_INVALID"
  | "DRIVER_NOT_FOUND"
  | "DRIVER_HASH_MISMATCH"
  | "DRIVER_IMPORT_REFUSED"
  | "DRIVER_LOAD_FAILED"
  | "DRIVER_API_VERSION"
  | "DRIVER_SHAPE_INVALID";

/** Why a driver cannot be used. `detail` says what, `remedy` what the operator can do. */
export interface DriverProblem {
  readonly code: DriverProblemCode;
  readonly detail: string;
  readonly remedy: string;
}

export type LoadedDriver =
  | { readonly ok: true; readonly driver: Driver; readonly file: string; readonly sha256: string }
  | { readonly ok: false; readonly problem: DriverProblem };

/** Built drivers come first; `.ts` is for a checkout, where the test runner understands it. */
const DRIVER_FILES = ["driver.js", "driver.mjs", "driver.ts"] as const;
const SOURCE_EXTENSION = /\.(?:js|mjs|ts)$/;
const NAME = /^[a-z0-9_][a-z0-9_-]{0,31}$/;
/** A driver is one file, or a few; more is not read by anybody who reviews it. */
const LOCAL_FILES_MAX = 16;

const REMEDIES: Readonly<Record<DriverProblemCode, string>> = {
  DRIVER_NAME_INVALID: "a driver is named by its folder: a-z, 0-9, _ and -, at most 32 characters",
  DRIVER_NOT_FOUND: "see `stoep drivers` for what there is, or add the folder that holds it to driverPaths",
  DRIVER_HASH_MISMATCH: "if the change of the driver was intended and reviewed, write its new sha256 into driverPaths",
  DRIVER_IMPORT_REFUSED: "a driver imports types only and uses what it is given (drivers/README.md)",
  DRIVER_LOAD_FAILED: "the driver is broken; its author can run the driver checks on it",
  DRIVER_API_VERSION: "take a version of the driver that was made for driver API 1",
  DRIVER_SHAPE_INVALID: "the driver is broken; its author can run the driver checks on it",
};

function failed(code: DriverProblemCode, detail: string): LoadedDriver {
  return { ok: false, problem: { code, detail, remedy: REMEDIES[code] } };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Finds a driver by name, checks its pin and what it imports, and loads it. The first path that has it wins. */
export async function loadDriver(name: string, searchPaths: readonly DriverPath[]): Promise<LoadedDriver> {
  if (!NAME.test(name)) return failed("DRIVER_NAME_INVALID", `"${name}" is no name of a driver`);
  const found = await findDriver(name, searchPaths);
  if (found === null) {
    return failed(
      "DRIVER_NOT_FOUND",
      `no driver "${name}" in ${searchPaths.map(({ path }) => path).join(", ") || "an empty list of paths"}`,
    );
  }
  const { file, pin } = found;
  try {
    const source = await readFile(file);
    const sha256 = createHash("sha256").update(source).digest("hex");
    if (pin !== null && pin !== sha256) return failed("DRIVER_HASH_MISMATCH", `${file} has sha256 ${sha256}, pinned is ${pin}`);
    const refused = await refusedImport(file, source.toString("utf8"), pin !== null);
    return refused === null ? await instantiate(name, file, sha256) : failed("DRIVER_IMPORT_REFUSED", refused);
  } catch (error) {
    return failed("DRIVER_LOAD_FAILED", `${file}: ${messageOf(error)}`);
  }
}

/** Names of the drivers in a folder, sorted. Folders that start with `_` are no drivers to use. */
export async function listDrivers(path: string): Promise<readonly string[]> {
  const entries = await readdir(path).catch(() => []);
  const names: string[] = [];
  for (const name of entries) {
    if (!name.startsWith("_") && NAME.test(name) && (await driverFileIn(join(path, name))) !== null) names.push(name);
  }
  return names.sort();
}

async function findDriver(name: string, searchPaths: readonly DriverPath[]): Promise<{ file: string; pin: string | null } | null> {
  for (const { path, sha256 } of searchPaths) {
    const file = (await isFile(path)) ? fileNamed(name, path) : await driverFileIn(join(path, name));
    if (file !== null) return { file: await realpath(file), pin: sha256?.toLowerCase() ?? null };
  }
  return null;
}

/** A path that is a file holds the driver it is called after: `air.mjs`, or `air/driver.mjs`. */
function fileNamed(name: string, path: string): string | null {
  if (!SOURCE_EXTENSION.test(path)) return null;
  const stem = basename(path).replace(SOURCE_EXTENSION, "");
  return stem === name || (stem === "driver" && basename(dirname(resolve(path))) === name) ? path : null;
}

async function driverFileIn(folder: string): Promise<string | null> {
  for (const file of DRIVER_FILES) if (await isFile(join(folder, file))) return join(folder, file);
  return null;
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

/** What a driver's file, or a file beside it that it imports, may not do; null when there is nothing. */
async function refusedImport(file: string, source: string, isPinned: boolean): Promise<string | null> {
  const folder = dirname(file);
  const sources = new Map([[file, source]]);
  for (const [path, text] of sources) {
    const { local, refused } = scanImports(text);
    if (refused.length > 0) return `${path}: ${refused.join(", ")}`;
    for (const specifier of local) {
      if (isPinned) return `${path}: import of "${specifier}"; a pin covers one file, so a pinned driver is one file`;
      const real = await realpath(resolve(dirname(path), specifier)).catch(() => null);
      if (real === null) return `${path}: "${specifier}" does not exist`;
      if (relative(folder, real).split(sep)[0] === ".." || !SOURCE_EXTENSION.test(real)) {
        return `${path}: import of "${specifier}", which is no source file in the driver's folder`;
      }
      if (!sources.has(real)) sources.set(real, await readFile(real, "utf8"));
      if (sources.size > LOCAL_FILES_MAX) return `${file}: more than ${LOCAL_FILES_MAX} files`;
    }
  }
  return null;
}

async function instantiate(name: string, file: string, sha256: string): Promise<LoadedDriver> {
  const module: unknown = await import(pathToFileURL(file).href);
  const create = typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
  if (typeof create !== "function") return failed("DRIVER_SHAPE_INVALID", `${file}: no default export that makes a driver`);
  const made: unknown = create(driverApi);
  const apiVersion: unknown = typeof made === "object" && made !== null && "apiVersion" in made ? made.apiVersion : undefined;
  if (apiVersion !== 1) return failed("DRIVER_API_VERSION", `${file}: made for driver API ${String(apiVersion)}`);
  const problem = driverShapeProblem(made, name);
  return problem === null ? { ok: true, driver: made as Driver, file, sha256 } : failed("DRIVER_SHAPE_INVALID", `${file}: ${problem}`);
}
