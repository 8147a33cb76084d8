import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listDrivers, loadDriver } from "../../src/adapters/driver-loader.ts";
import { drivers } from "../../src/cli/drivers.ts";
import { catalogueEntry, renderCatalogue, renderDriverReadme } from "../../src/driver-api/catalogue.ts";
import type { Driver } from "../../src/driver-api/driver.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");
const names = await listDrivers(DRIVERS);

async function load(name: string): Promise<Driver> {
  const loaded = await loadDriver(name, [{ path: DRIVERS }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  return loaded.driver;
}

describe("stoep drivers", () => {
  const run = async (words: readonly string[], isJson: boolean): Promise<string> => {
    const said: string[] = [];
    const output = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
    await drivers.run({ words, flag: (name: string) => name === "json" && isJson } as never, output as never);
    return said.join("\n");
  };

  it("says of each driver what README.md says of it", async () => {
    const readme = readFileSync(join(DRIVERS, "README.md"), "utf8");
    const listed = await run([], false);
    for (const name of names) {
      const entry = catalogueEntry(await load(name));
      const row = readme.split("\n").find((line) => line.startsWith(`| [${name}](${entry.link})`)) ?? "";
      const block = listed.split("\n\n").find((text) => text.startsWith(`${name}: `)) ?? "";
      for (const fact of [entry.port, entry.summary, entry.sensitivities.join(", "), entry.testedWith]) {
        expect(row).toContain(fact);
        expect(block).toContain(fact);
      }
      for (const { name: channel, unit } of entry.channels ?? []) {
        expect(row).toMatch(new RegExp(`\`${channel}\`.* ${unit.replace(/[[\]]/g, "\\$&")}`));
        expect(block).toContain(channel);
        expect(block).toContain(unit);
      }
      expect(block).toContain(`drivers/${entry.link}`);
    }
    expect(JSON.parse(await run([], true))).toHaveLength(names.length);
  });

  it("says of one where its frames come from, and which of them carry no checksum", async () => {
    const { testedWith = "", unchecked = "" } = await load("wxt5xx");
    const told = await run(["wxt5xx"], false);
    expect(told).toContain(testedWith);
    expect(told).toContain(unchecked);
    expect(readFileSync(join(DRIVERS, "wxt5xx", "README.md"), "utf8")).toContain(unchecked);
  });

  it("of ours, every one on a line says where its frames come from", async () => {
    for (const name of names.filter((each) => each !== "simulator")) expect((await load(name)).testedWith ?? "").not.toBe("");
  });
});

describe("the generated parts of drivers/", () => {
  it.each([...names, "_template"])("%s/README.md is up to date (npm run generate)", async (name) => {
    const existing = readFileSync(join(DRIVERS, name, "README.md"), "utf8");
    expect(existing).toBe(renderDriverReadme(existing, await load(name)));
  });

  it("README.md lists every driver (npm run generate)", async () => {
    const existing = readFileSync(join(DRIVERS, "README.md"), "utf8");
    expect(existing).toBe(renderCatalogue(existing, await Promise.all(names.map(load))));
    for (const name of names) expect(existing).toContain(`[${name}](${name}/README.md)`);
  });
});
