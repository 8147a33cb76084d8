import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadDriver } from "../adapters/driver-loader.ts";
import { type Finding, checkDriver as findingsOf, type NamedText } from "../testing/driver-check.ts";
import { type Arguments, type Command, EXIT, JSON_OPTION, UsageError } from "./command.ts";
import { OWN_DRIVERS } from "./node-file.ts";

/** Drivers with their golden cases and captures: in a checkout the sources, in a package what was installed of them. */
const SOURCES = fileURLToPath(new URL("../../../drivers", import.meta.url));
const RANDOM_INPUTS = 100_000;
const RANDOM_INPUTS_MAX = 10_000_000;
/** Any will do, and the same finds the same. */
const SEED = 20_261_123;

export const checkDriver: Command = {
  name: "check-driver",
  says: "try everything on a driver that a driver must keep: its golden cases, noise, damage, memory",
  takes: "DIR",
  wordsMax: 1,
  options: {
    random: { type: "string", value: "N", says: `how many random events it must survive (default ${RANDOM_INPUTS})` },
    json: JSON_OPTION,
  },
  example: "stoep check-driver ./my-sensor",
  more: [
    "DIR holds driver.js, driver.mjs or, in a checkout that was built, driver.ts, with golden/*.txt and captures/*.txt beside it.",
    "No port is opened. Exits with 65 when something was found; a golden case that fails names its file and line.",
  ].join("\n"),
  async run(typed, output) {
    const [dir] = typed.words;
    if (dir === undefined) throw new UsageError("DIR is missing");
    const randomInputs = randomOf(typed);
    const folder = resolve(dir);
    const name = basename(folder);
    const place = placeOf(folder, name);
    if (place === null) {
      output.err(`stoep check-driver: ${join(folder, "driver.ts")} is newer than what was built of it. What to do: npm run build`);
      return EXIT.badData;
    }
    const loaded = await loadDriver(name, [{ path: place }]);
    if (!loaded.ok) {
      output.err(`stoep check-driver: ${loaded.problem.detail}. What to do: ${loaded.problem.remedy}`);
      return EXIT.badData;
    }
    const golden = textsIn(join(folder, "golden"));
    const captures = textsIn(join(folder, "captures")).map(({ name: file, text }) => ({ name: `captures/${file}`, text }));
    const foreignCaptures = foreignTo(name);
    const findings = findingsOf(loaded.driver, { golden, captures, foreignCaptures, seed: SEED, randomInputs });
    const own = `${golden.length} golden cases, ${captures.length} captures`;
    const tried = `${own}, ${randomInputs} random events, ${foreignCaptures.length} captures of others`;
    if (typed.flag("json"))
      output.out(JSON.stringify({ driver: name, file: loaded.file, sha256: loaded.sha256, tried, findings }, null, 2));
    else for (const finding of findings) output.out(findingLine(finding));
    if (findings.some(({ check }) => check === "foreign"))
      output.err("stoep check-driver: is there a driver for it already? stoep drivers lists them");
    if (!typed.flag("json"))
      output.err(`stoep check-driver: ${findings.length === 0 ? "nothing was found" : `${findings.length} found`}; tried: ${tried}`);
    return findings.length === 0 ? EXIT.ok : EXIT.badData;
  },
};

const findingLine = ({ check, where, message }: Finding): string => `${where}: ${message} (${check})`;

function randomOf(typed: Arguments): number {
  const text = typed.text("random");
  const count = text === null ? RANDOM_INPUTS : Number(text);
  if (!Number.isSafeInteger(count) || count < 1 || count > RANDOM_INPUTS_MAX) {
    throw new UsageError(`--random must be from 1 to ${RANDOM_INPUTS_MAX}, got "${text}"`);
  }
  return count;
}

/** The folder above the driver that is loaded: of a driver of this checkout what was built of it. Null: it was changed since. */
function placeOf(folder: string, name: string): string | null {
  const source = join(folder, "driver.ts");
  if (dirname(folder) !== resolve(SOURCES) || !existsSync(source)) return dirname(folder);
  const built = join(OWN_DRIVERS, name, "driver.js");
  return existsSync(built) && statSync(built).mtimeMs >= statSync(source).mtimeMs ? OWN_DRIVERS : null;
}

function textsIn(folder: string): readonly NamedText[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
}

/** What instruments of other drivers said. */
function foreignTo(name: string): readonly NamedText[] {
  if (!existsSync(SOURCES)) return [];
  return readdirSync(SOURCES)
    .filter((other) => other !== name)
    .flatMap((other) => textsIn(join(SOURCES, other, "captures")).map(({ name: file, text }) => ({ name: `${other}/${file}`, text })));
}
