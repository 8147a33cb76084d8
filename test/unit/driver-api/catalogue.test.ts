import { describe, expect, it } from "vitest";
import { driverApi } from "../../../src/driver-api/api.ts";
import { renderCatalogue, renderDriverReadme } from "../../../src/driver-api/catalogue.ts";
import type { Driver } from "../../../src/driver-api/driver.ts";

const { z } = driverApi;
const DRIVER: Driver = {
  apiVersion: 1,
  name: "meter",
  summary: "A meter | of water",
  port: "serial",
  serial: { baudRate: 9600 },
  options: z.strictObject({
    everyMs: z.int().min(1).max(60).default(5).describe("Rhythm"),
    mode: z.enum(["a", "b"]).optional().describe("Mode"),
  }),
  // Declared looser than the quantity allows: the table must show the stricter one.
  channels: () => [{ name: "use", quantity: "water_use", unit: "m3", range: [0, 9], resolution: 0.001, sensitivity: "environmental" }],
  start: () => ({ handle: () => {} }),
};

const rowsOf = (text: string): string[][] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| -"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

describe("renderDriverReadme", () => {
  it("writes the channels, with the sensitivity that counts, and the options", () => {
    expect(rowsOf(renderDriverReadme("# meter\n", DRIVER))).toEqual([
      ["Channel", "Quantity", "Unit", "Range", "Resolution", "Sensitivity"],
      ["`use`", "water_use", "m3", "0 to 9", "0.001", "identifying"],
      ["Option", "Type", "Default", "Meaning"],
      ["`everyMs`", "whole number 1 to 60", "`5`", "Rhythm"],
      ["`mode`", "`a` or `b`", "-", "Mode"],
    ]);
  });

  it("keeps what people wrote around the tables, and changes nothing the second time", () => {
    const written =
      "# meter\n\nAbove.\n\n<!-- generated: channels -->\nold\n<!-- /generated -->\n\nBetween.\n\n" +
      "<!-- generated: options -->\n<!-- /generated -->\n\nBelow.\n";
    const once = renderDriverReadme(written, DRIVER);
    expect(once.replace(/<!-- generated[\s\S]*?<!-- \/generated -->/g, "TABLE")).toBe(
      "# meter\n\nAbove.\n\nTABLE\n\nBetween.\n\nTABLE\n\nBelow.\n",
    );
    expect(once).not.toContain("old");
    expect(renderDriverReadme(once, DRIVER)).toBe(once);
  });

  it("shows the channels of an example when the options have no default", () => {
    const options = z.strictObject({ litres: z.number().describe("Per pulse") }).meta({ examples: [{ litres: 10 }] });
    expect(renderDriverReadme("", { ...DRIVER, options })).toContain('With these options:\n\n```json\n{ "litres": 10 }\n```');
    const withoutExample = z.strictObject({ litres: z.number().describe("Per pulse") });
    expect(renderDriverReadme("", { ...DRIVER, options: withoutExample })).toContain("The options decide which channels there are.");
  });
});

describe("renderCatalogue", () => {
  it("lists the drivers, with a bar in a text escaped", () => {
    expect(rowsOf(renderCatalogue("", [DRIVER]))).toEqual([
      ["Driver", "Port", "What it reads", "Channels and units", "Sensitivity", "Tested with"],
      ["[meter](meter/README.md)", "serial", "A meter \\| of water", "`use` m3", "identifying", "-"],
    ]);
  });
});
