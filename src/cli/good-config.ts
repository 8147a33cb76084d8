import { dirname, resolve } from "node:path";
import { stringify } from "yaml";
import { type GoodFile, readGood } from "../adapters/good-file.ts";
import { guessed, type Planned, type PlannedFile, parseText, planRead, type ReadFile } from "./node-file.ts";

const USUAL_DIRECTORY = "/var/lib/stoep";

/** Everything that a file and the one that it builds on say, as one text: the other one may change, too. */
export function wholeText({ text, parsed }: PlannedFile): string {
  const { value } = parsed ?? {};
  if (text === null || typeof value !== "object" || value === null || !("extends" in value)) return text ?? "";
  const { extends: base, ...rest } = value;
  return `# As it was with ${JSON.stringify(base)} under it.\n${stringify(rest, { aliasDuplicateObjects: false })}`;
}

/** A good file with what is made of it today. */
interface ReadGood extends PlannedFile {
  readonly good: GoodFile;
}

/** A good file with its plan. */
export type GoodPlan = ReadGood & Planned;

/** The last file that held in place of `file`; null when there is none that can be used. */
export async function goodInstead(file: string, wanted: PlannedFile): Promise<GoodPlan | null> {
  for (const directory of placesOf(file, wanted)) {
    const good = readGood(directory, resolve(file));
    if (good === null) continue;
    const { plan, ...read } = await planGood(good, file);
    if (plan !== null) return { ...read, plan };
  }
  return null;
}

/** Relative paths in it start where those of `file` do. */
export async function planGood(good: GoodFile, file: string): Promise<ReadGood> {
  const planned = await planRead(parseText(good.text, file), file);
  return { ...planned, rev: good.rev, good };
}

/** Where the stores of the node may be, by what is left of its file, and by the service manager (systemd.exec(5), StateDirectory=). */
export function placesOf(file: string, { parsed, text }: ReadFile): ReadonlySet<string> {
  const { STATE_DIRECTORY: state } = process.env;
  const places = [parsed?.config?.storage.directory, guessed(text, "directory"), state?.split(":")[0], USUAL_DIRECTORY];
  return new Set(places.flatMap((place) => (place == null || place === "" ? [] : [resolve(dirname(file), place)])));
}
