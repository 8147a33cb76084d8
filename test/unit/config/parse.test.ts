import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { driversNeeded, PROBLEMS_MAX, parseNodeFile } from "../../../src/config/parse.ts";
import { planNode } from "../../../src/config/plan-node.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { fakeDrivers } from "../../contract/config-fake-drivers.ts";

const EXAMPLE = readFileSync(new URL("../../../config/node.example.yaml", import.meta.url), "utf8");

/** Everything that is told about a text, after checking that it points into the text. */
function told(text: string): readonly string[] {
  const parsed = parseNodeFile(text, "node.yaml");
  const { plan, problems } = planNode(parsed, fakeDrivers);
  const lines = text.split(/\r?\n/);
  for (const { line, column, message } of problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1);
    expect(message).not.toBe("");
  }
  expect(problems.length).toBeLessThanOrEqual(PROBLEMS_MAX);
  expect(plan === null).toBe(problems.some(({ severity }) => severity === "error"));
  return problems.map(formatProblem);
}

describe("parseNodeFile, whatever it is given", () => {
  it("never throws on text, and points into it", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void told(text)));
  });

  it("never throws on YAML-like text, and points into it", () => {
    const piece = fc.constantFrom(
      ...[
        "stoep",
        "node",
        "sensors",
        "streams",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "!!str ",
        "#",
      ],
      ...[
        "<<",
        "'",
        '"',
        "|",
        ">",
        "? ",
        "\t",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "1",
        "true",
        "null",
        "~",
        "__proto__",
        "a",
        "\r\n",
        "\u2028",
        "\uFEFF",
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => void told(pieces.join(""))),
      { numRuns: 500 },
    );
  });

  it("never throws on any value in any place of a node file, and points into it", () => {
    const lines = EXAMPLE.split("\n");
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("15m", "noised", -1, 1e308, "__proto__", ""));
    fc.assert(
      fc.property(fc.nat(lines.length - 1), value, (at, replacement) => {
        const changed = lines.map((line, index) => (index === at ? line.replace(/: .*$/, () => `: ${JSON.stringify(replacement)}`) : line));
        told(changed.join("\n"));
      }),
      { numRuns: 150 },
    );
  });

  it("never throws when lines of a node file are lost, and points into what is left", () => {
    const lines = EXAMPLE.split("\n");
    fc.assert(
      fc.property(fc.subarray(lines, { minLength: Math.floor(lines.length / 2) }), (left) => void told(left.join("\n"))),
      { numRuns: 100 },
    );
  });

  it.each(["[".repeat(100_000), "- ".repeat(50_000), "{a: ".repeat(10_000), "? ".repeat(10_000), `a: ${"[".repeat(40)}${"]".repeat(40)}`])(
    "refuses nesting that would exhaust the stack",
    (text) => expect(told(text)).toEqual(["node.yaml:1:1 is nested deeper than 32 levels: this is not a node file"]),
  );

  it("refuses a file that is far too long", () => {
    expect(told(`# ${"x".repeat(2_000_000)}`)).toEqual(["node.yaml:1:1 is longer than 1048576 characters: this is not a node file"]);
  });

  it("tells about a bounded number of mistakes", () => {
    const keys = Array.from({ length: 500 }, (_, index) => `key${index}: 1\n`).join("");
    expect(told(keys)).toHaveLength(PROBLEMS_MAX);
  });

  it.each([
    ["keys that are there twice", (index: number) => `key${index % 2}: 1\n`],
    ["lines that are no YAML", () => "a: b: c\n"],
    ["values that never end", () => "- [\n"],
  ])("tells about a bounded number of %s", (_what, line) => {
    expect(told(Array.from({ length: 500 }, (_, index) => line(index)).join("")).length).toBeLessThanOrEqual(PROBLEMS_MAX);
  });

  it("reads the line ends of every system alike", () => {
    const broken = EXAMPLE.replace("driver: sds011", "driver: sds11");
    expect(told(broken.replaceAll("\n", "\r\n"))).toEqual(told(broken));
  });

  it("never repeats a secret that was written in the wrong way", () => {
    for (const written of [
      "hunter2",
      '"hunter2',
      "'a' hunter2",
      "*hunter2",
      "&hunter2 x",
      "!hunter2 x",
      "{ hunter2: x }",
      "[hunter2]",
      "{ env: [hunter2] }",
      "@hunter2",
      "`hunter2`",
      "a: hunter2",
      "|hunter2",
      "%hunter2",
    ]) {
      const text = EXAMPLE.replace("{ credential: broker-password }", () => written);
      const problems = told(text);
      expect(problems, written).not.toEqual([]);
      expect(problems.join("\n"), written).not.toContain("hunter2");
    }
  });
});

describe("parseNodeFile", () => {
  const MINIMAL = `stoep: 1
node: { id: n1 }
broker: { url: mqtt://localhost, prefix: a }
sensors: { s: { driver: simulator }, t: { driver: simulator }, u: { driver: other } }
`;

  it("fills in every default", () => {
    const { config, problems } = parseNodeFile(MINIMAL, "node.yaml");
    expect(problems).toEqual([]);
    expect(config).toEqual({
      stoep: 1,
      node: { id: "n1", timeZone: "UTC" },
      broker: {
        ...{
          url: "mqtt://localhost:1883",
          protocol: 5,
          prefix: "a",
          tls: { pins: [] },
          residency: { mode: "warn", allow: ["EU", "EEA"], operator: "record", private: "declare", databases: {} },
          inFlight: 20,
        },
        ...{ keepAlive: 30_000, ackTimeout: 30_000, allowSimulated: false, formats: ["native"] },
      },
      privacy: { epsilonPerEvent: "1" },
      window: 900_000,
      sensors: {
        s: { driver: "simulator", enabled: true, options: {}, directions: {}, onStartFailure: "retry" },
        t: { driver: "simulator", enabled: true, options: {}, directions: {}, onStartFailure: "retry" },
        u: { driver: "other", enabled: true, options: {}, directions: {}, onStartFailure: "retry" },
      },
      driverPaths: [],
      buses: {},
      groups: {},
      storage: {
        ...{ directory: "/var/lib/stoep", live: "/run/stoep" },
        outbox: { maxBytes: 256_000_000, maxAge: 2_592_000_000 },
        egress: { keep: 34_560_000_000, maxBytes: 64_000_000 },
      },
      time: { source: "system", holdover: 86_400_000, maxWait: 86_400_000 },
      metrics: {},
      log: { level: "info" },
    });
  });

  it("reads decimals from their source text, never through a float", () => {
    const { config } = parseNodeFile(`${MINIMAL}privacy: { epsilonPerEvent: 0.10 }\n`, "node.yaml");
    expect(config?.privacy.epsilonPerEvent).toBe("0.10");
  });

  it("names each driver once", () => {
    const { config } = parseNodeFile(MINIMAL, "node.yaml");
    expect(config && driversNeeded(config)).toEqual(["simulator", "other"]);
  });

  it("still names the drivers of a file with mistakes, so that they can be asked", () => {
    const { config, problems } = parseNodeFile(MINIMAL.replace("prefix: a", "prefix: +").replace("id: n1", "id: N1"), "node.yaml");
    expect(problems.map(({ path }) => path)).toEqual(["node.id", "broker.prefix"]);
    expect(config && driversNeeded(config)).toEqual(["simulator", "other"]);
  });

  it("looks no further into a file of another version", () => {
    const { config, problems } = parseNodeFile(MINIMAL.replace("stoep: 1", "stoep: 2"), "node.yaml");
    expect(config).toBeNull();
    expect(problems).toHaveLength(1);
  });
});
