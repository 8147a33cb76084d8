import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../src/adapters/driver-loader.ts";
import { checkDriver, type NamedText } from "../../src/testing/driver-check.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");
const SEED = 20_261_123;
/** Fewer than the default of the checker, for every commit; `STOEP_RANDOM_INPUTS=100000` tries them all. */
const RANDOM_INPUTS = Number(process.env.STOEP_RANDOM_INPUTS ?? 20_000);

const names = readdirSync(DRIVERS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function texts(folder: string): NamedText[] {
  const path = join(DRIVERS, folder);
  try {
    return readdirSync(path)
      .filter((name) => name.endsWith(".txt"))
      .map((name) => ({
        name: folder.endsWith("golden") ? name : `${basename(join(path, ".."))}/${name}`,
        text: readFileSync(join(path, name), "utf8"),
      }));
  } catch {
    return [];
  }
}

describe("every driver in drivers/", () => {
  it.each(names)("%s keeps what a driver must keep", async (name) => {
    const loaded = await loadDriver(name, [{ path: DRIVERS }]);
    if (!loaded.ok) throw new Error(`${loaded.problem.code}: ${loaded.problem.detail}`);
    const findings = checkDriver(loaded.driver, {
      golden: texts(`${name}/golden`),
      captures: texts(`${name}/captures`),
      foreignCaptures: names.filter((other) => other !== name).flatMap((other) => texts(`${other}/captures`)),
      seed: SEED,
      randomInputs: RANDOM_INPUTS,
    });
    expect(findings).toEqual([]);
  });
});
