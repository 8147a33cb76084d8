import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listDrivers, loadDriver } from "../../src/adapters/driver-loader.ts";
import { renderCatalogue, renderDriverReadme } from "../../src/driver-api/catalogue.ts";
import type { Driver } from "../../src/driver-api/driver.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");
const names = await listDrivers(DRIVERS);

async function load(name: string): Promise<Driver> {
  const loaded = await loadDriver(name, [{ path: DRIVERS }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  return loaded.driver;
}

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
