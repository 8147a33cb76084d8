import { describe, expect, it } from "vitest";
import { type BaseText, merged } from "../../../src/config/extends.ts";
import { parseNodeFile } from "../../../src/config/parse.ts";
import { formatProblem } from "../../../src/config/problem.ts";

const BASE = `stoep: 1
broker: { url: mqtts://mqtt.example, prefix: city/a, password: { credential: secret } }
window: 5m
sensors:
  air-1:
    driver: sds011
    serial: { path: /dev/serial/by-id/a }
    streams:
      pm25: { window: 5m }
driverPaths: [{ path: /one }, { path: /two }]
`;
const OWN = `extends: base.yaml
node: { id: n1 }
sensors:
  air-1:
    streams: { pm25: { window: 10m } }
driverPaths: [{ path: /three }]
`;
const parse = (own: string, base: string | BaseText = BASE) =>
  parseNodeFile(own, "node.yaml", (name) => (typeof base === "string" ? { file: `/etc/${name}`, text: base } : base));
const problems = (own: string, base?: string | BaseText) => parse(own, base).problems.map(formatProblem);

describe("a file that builds on another one", () => {
  it("merges maps, replaces lists, and keeps what it does not name", () => {
    const { config, problems: found } = parse(OWN);
    expect(found).toEqual([]);
    expect(config).toMatchObject({ window: 300_000, node: { id: "n1" }, broker: { prefix: "city/a" }, driverPaths: [{ path: "/three" }] });
    expect(config?.driverPaths).toHaveLength(1);
    expect(config?.sensors["air-1"]).toMatchObject({ driver: "sds011", serial: { path: "/dev/serial/by-id/a" } });
    expect(config?.sensors["air-1"]?.streams?.pm25?.window).toBe(600_000);
  });

  it("takes out with null what the other one has", () => {
    const { config, problems: found } = parse(`${OWN}window: null\nbroker: { password: null }\n`);
    expect(found).toEqual([]);
    expect(config?.window, "the default").toBe(900_000);
    expect(config?.broker.password).toBeUndefined();
  });

  it("says that a key is empty where null takes nothing out", () => {
    expect(problems(`${OWN}storage: null\n`)).toEqual([expect.stringMatching(/^node\.yaml:7:10 storage: is empty/)]);
  });

  it("points at the file and line that a mistake is in", () => {
    expect(problems(OWN, BASE.replace("window: 5m\n", "window: soon\n"))).toEqual([
      expect.stringMatching(/^\/etc\/base\.yaml:3:9 window: must be/),
    ]);
    expect(problems(OWN.replace("10m", "soon"))).toEqual([
      expect.stringMatching(/^node\.yaml:5:32 sensors\.air-1\.streams\.pm25\.window: must be/),
    ]);
    expect(problems(`${OWN}windw: 5m\n`)).toEqual([expect.stringMatching(/^node\.yaml:7:1 windw: is not a key/)]);
    expect(problems(OWN, `${BASE}windw: 5m\n`)).toEqual([expect.stringMatching(/^\/etc\/base\.yaml:11:1 windw: is not a key/)]);
    expect(problems(OWN, BASE.replace("    driver: sds011\n", ""))[0], "missing: where it is missing from").toMatch(/^node\.yaml:4:3 /);
    expect(problems(OWN, `${BASE}  - x\n`)[0]).toMatch(/^\/etc\/base\.yaml:\d+:\d+ .*not valid YAML/);
  });

  it("builds on one file, and that one on none", () => {
    expect(problems(OWN, `${BASE}extends: more.yaml\n`)).toEqual([
      expect.stringMatching(/^\/etc\/base\.yaml:11:1 extends: is one level deep/),
    ]);
    expect(problems(OWN, "- a\n- b\n")[0]).toMatch(/^\/etc\/base\.yaml:1:1 is no map/);
  });

  it("says why the other file cannot be had, and nothing that follows from it", () => {
    const found = problems(OWN, { problem: "names base.yaml, and there is no such file" });
    expect(found).toEqual(["node.yaml:1:10 extends: names base.yaml, and there is no such file"]);
  });
});

describe("merged", () => {
  it.each([
    ["a map over a map", { a: 1, b: { c: 1, d: 2 } }, { b: { c: 3 } }, { a: 1, b: { c: 3, d: 2 } }],
    ["a list over a list", { a: [1, 2] }, { a: [3] }, { a: [3] }],
    ["a value over a map", { a: { b: 1 } }, { a: 2 }, { a: 2 }],
    ["null over a value", { a: 1, b: 2 }, { a: null }, { b: 2 }],
    ["null over nothing", { a: 1 }, { b: null }, { a: 1, b: null }],
    ["nothing over a map", { a: { b: 1 } }, {}, { a: { b: 1 } }],
  ])("%s", (_, base, own, expected) => {
    expect(merged(base, own)).toEqual(expected);
  });
});
