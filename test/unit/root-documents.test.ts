import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const ROOT = join(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() }).parse(JSON.parse(read("package.json")));

// The mandatory keys of publiccode.yml 0.4, docs/standard/schema.core.rst, and the limits that it states.
const description = z.object({
  shortDescription: z.string().min(1).max(150),
  longDescription: z.string().min(150).max(10_000),
  features: z.array(z.string()).min(1),
});
const publiccode = z.object({
  publiccodeYmlVersion: z.literal("0.4"),
  name: z.string().min(1),
  url: z.url(),
  softwareVersion: z.string(),
  platforms: z.array(z.string()).min(1),
  categories: z.array(z.string()).min(1),
  developmentStatus: z.enum(["concept", "development", "beta", "stable", "obsolete"]),
  softwareType: z.enum([
    "standalone/mobile",
    "standalone/iot",
    "standalone/desktop",
    "standalone/web",
    "standalone/backend",
    "standalone/other",
    "addon",
    "library",
    "configurationFiles",
  ]),
  description: z.record(z.string(), description).refine((languages) => Object.keys(languages).length > 0),
  legal: z.object({ license: z.string() }),
  // `community` needs contacts; `contract` would need contractors.
  maintenance: z.object({ type: z.literal("community"), contacts: z.array(z.object({ name: z.string().min(1) })).min(1) }),
  localisation: z.object({ localisationReady: z.boolean(), availableLanguages: z.array(z.string()).min(1) }),
});

describe("publiccode.yml", () => {
  const document: unknown = parse(read("publiccode.yml"));

  it("has every mandatory key of version 0.4", () => {
    expect(publiccode.safeParse(document).error).toBeUndefined();
  });

  it("says the same as package.json", () => {
    const { softwareVersion, legal } = publiccode.parse(document);
    expect({ version: softwareVersion, license: legal.license }).toEqual({ version: manifest.version, license: manifest.license });
  });
});

describe("LICENSE", () => {
  const licence = read("LICENSE");

  it("is the EUPL 1.2, whole", () => {
    expect(licence.startsWith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")).toBe(true);
    for (const article of Array.from({ length: 15 }, (_, index) => index + 1)) {
      expect(licence).toMatch(new RegExp(`^${article}\\. [A-Z]`, "m"));
    }
    expect(licence).toMatch(/^Appendix$/m);
    expect(licence.trimEnd().endsWith("new EUPL version.")).toBe(true);
  });
});
