import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { estimate } from "../../src/config/estimate.ts";
import { jsonSchemaText, referenceMarkdown } from "../../src/config/generate.ts";
import { inputSchemaOf, isReserved, type JsonSchema } from "../../src/config/json-schema.ts";
import { parseNodeFile } from "../../src/config/parse.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { reportText } from "../../src/config/report.ts";
import { nodeFileSchema } from "../../src/config/schema.ts";
import { fakeDrivers } from "./config-fake-drivers.ts";

const folder = new URL("../../config/", import.meta.url);
const pathOf = (name: string): string => new URL(name, folder).pathname;
const textOf = (name: string): string => readFileSync(new URL(name, folder), "utf8");

/** Every key of the schema with its description, reserved ones left out. */
function keysOf(schema: JsonSchema, path = ""): { path: string; key: string; schema: JsonSchema }[] {
  const own = Object.entries(schema.properties ?? {})
    .filter(([, child]) => !isReserved(child))
    .flatMap(([key, child]) => [{ path: `${path}.${key}`, key, schema: child }, ...keysOf(child, `${path}.${key}`)]);
  const entry = typeof schema.additionalProperties === "object" ? keysOf(schema.additionalProperties, `${path}.NAME`) : [];
  return [...own, ...entry, ...(schema.items ? keysOf(schema.items, `${path}[]`) : [])];
}

const keys = keysOf(inputSchemaOf(nodeFileSchema));

// To write the files anew: vitest run test/contract/config-generated.test.ts -u
describe("what is generated from the schema", () => {
  it("config/node.schema.json is what the schema says", async () => {
    await expect(jsonSchemaText()).toMatchFileSnapshot(pathOf("node.schema.json"));
  });

  it("config/reference.md is what the schema says", async () => {
    await expect(referenceMarkdown()).toMatchFileSnapshot(pathOf("reference.md"));
  });

  it("describes every key, with an example", () => {
    const silent = keys.filter(({ schema }) => !schema.description || !schema.examples?.length).map(({ path }) => path);
    expect(silent).toEqual([]);
    expect(keys.length).toBeGreaterThan(80);
  });
});

describe("the documentation of the node file", () => {
  const plan = (name: string, text: string) => planNode(parseNodeFile(text, name), fakeDrivers);

  it("node.example.yaml is a file without a mistake or a warning", () => {
    const { plan: example, problems } = plan("node.example.yaml", textOf("node.example.yaml"));
    expect(problems).toEqual([]);
    expect(example?.sensors.map(({ id }) => id)).toEqual(["air-1", "rain-1", "gate-1", "door-1", "gate-2", "bay-01"]);
  });

  it("node.example.yaml is right by node.schema.json, and a mistake in it is not", () => {
    const schema = z.fromJSONSchema(JSON.parse(jsonSchemaText()));
    const example = parse(textOf("node.example.yaml"));
    expect(schema.safeParse(example).error?.issues).toBeUndefined();
    for (const wrong of [{ windw: "5m" }, { window: "5min" }, { stoep: 2 }, { extends: ["base.yaml"] }]) {
      expect(schema.safeParse({ ...example, ...wrong }).success).toBe(false);
    }
  });

  it("node.example.yaml shows every key", () => {
    const text = textOf("node.example.yaml");
    expect(keys.filter(({ key }) => !new RegExp(`\\b${key}:`).test(text)).map(({ path }) => path)).toEqual([]);
  });

  it("the smallest file of README.md works", () => {
    const [, smallest = ""] = /```yaml\n(.*?)```/s.exec(textOf("README.md")) ?? [];
    const { plan: node, problems } = plan("README.md", smallest);
    expect(problems).toEqual([]);
    expect(node?.sensors[0]?.streams.map(({ id }) => id)).toEqual(["air-1.pm25", "air-1.pm10"]);
  });

  it("the report about the example says what leaves, what stays and what it costs", async () => {
    const { plan: example } = plan("node.example.yaml", textOf("node.example.yaml"));
    if (example === null) throw new Error("the example has a mistake");
    await expect(reportText(example)).toMatchFileSnapshot("./config-report.txt");
    expect(estimate(example).summariesPerDay).toBe(96 + 96 + 288 + (96 + 24 + 1) + 96 + 96);
  });
});
