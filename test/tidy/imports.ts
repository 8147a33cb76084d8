import { isBuiltin } from "node:module";
import { type Problem, type Rule, zoneOf } from "./repository.ts";
import { type Use, usesOf } from "./syntax.ts";

/** What a folder may import. Paths are beginnings of paths from the root. */
interface Allowed {
  readonly values: readonly string[];
  /** With `import type` only. */
  readonly types?: readonly string[];
  readonly packages: "any" | readonly string[];
  /** `node:` modules, and imports whose name is computed. */
  readonly world: boolean;
}

const DRIVER_API_NEEDS = ["src/core/units/", "src/core/framing/", "src/core/reading/"];

/** DESIGN §4, "May import"; the additions are ADR 0008. Each folder may import itself. */
const TABLE: Readonly<Record<string, Allowed>> = {
  core: { values: [], packages: [], world: false },
  ports: { values: ["src/core/"], packages: [], world: false },
  "driver-api": { values: DRIVER_API_NEEDS, packages: ["zod"], world: false },
  config: { values: ["src/core/", "src/driver-api/"], packages: ["yaml", "zod"], world: false },
  formats: { values: ["src/core/"], packages: [], world: false },
  runtime: {
    values: ["src/core/", "src/ports/", "src/driver-api/", "src/formats/"],
    types: ["src/config/"],
    packages: [],
    world: false,
  },
  adapters: { values: ["src/core/", "src/ports/", "src/driver-api/"], packages: "any", world: true },
  testing: {
    values: ["src/core/", "src/ports/", "src/runtime/", "src/driver-api/", "src/formats/"],
    types: ["src/config/"],
    packages: ["node:v8", "node:vm"], // to see what a driver keeps, garbage is collected first
    world: false,
  },
  cli: { values: ["src/"], packages: "any", world: true },
  test: { values: ["src/", "drivers/", "test/"], packages: "any", world: true },
  drivers: { values: [], types: ["src/driver-api/index.ts"], packages: [], world: false },
};

const packageName = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");

/** Why `zone` may not do this, or null. */
function forbidden(zone: string, allowed: Allowed, use: Use): string | null {
  if (use.specifier === null) return allowed.world ? null : `${zone} may not import what is only known at run time`;
  if (isBuiltin(use.specifier)) {
    const fits = allowed.world || allowed.packages === "any" || allowed.packages.includes(use.specifier);
    return fits ? null : `${zone} may not import ${use.specifier}`;
  }
  if (use.target === null) {
    const fits = allowed.packages === "any" || allowed.packages.includes(packageName(use.specifier));
    return fits ? null : `${zone} may not import the package ${use.specifier}`;
  }
  // A driver is one file: it may not even import its neighbour, since its hash is pinned.
  const own = zone === "drivers" || zone === "test" ? [] : [`src/${zone}/`];
  const within = (beginnings: readonly string[]): boolean => beginnings.some((beginning) => use.target?.startsWith(beginning));
  if (within([...own, ...allowed.values])) return null;
  if (!within(allowed.types ?? [])) return `${zone} may not import ${use.target}`;
  return use.typeOnly ? null : `${zone} may import ${use.target} with \`import type\` only`;
}

export const importTable: Rule = {
  name: "imports follow the table of DESIGN §4",
  check: ({ files }) =>
    files.flatMap((file): Problem[] => {
      const zone = zoneOf(file.path);
      const allowed = zone === null || !Object.hasOwn(TABLE, zone) ? undefined : TABLE[zone];
      if (zone === null || !allowed) return [{ path: file.path, line: 1, message: "stands in a folder that DESIGN §4 does not know" }];
      return usesOf(file).flatMap((use) => {
        const message = forbidden(zone, allowed, use);
        return message ? [{ path: file.path, line: use.line, message }] : [];
      });
    }),
};

export const shellIsLast: Rule = {
  name: "nobody imports cli, only cli and test import testing, nothing in src imports drivers",
  check: ({ files }) =>
    files.flatMap((file) => {
      const zone = zoneOf(file.path);
      return usesOf(file).flatMap(({ target, line }): Problem[] => {
        const to = target === null ? null : zoneOf(target);
        // Unit tests mirror src, so tests may import cli as they may import everything.
        const wrong =
          (to === "cli" && zone !== "cli" && zone !== "test") ||
          (to === "testing" && zone !== "testing" && zone !== "cli" && zone !== "test") ||
          (to === "drivers" && zone !== "test");
        return wrong ? [{ path: file.path, line, message: `${zone} may not import ${target}` }] : [];
      });
    }),
};

/** Who may make a message that leaves (ADR 0004). The file that defines them is exempt. */
const MINTS = "src/core/anonymise/message.ts";
const MINTERS: Readonly<Record<string, RegExp>> = {
  sealMessage: /^src\/formats\//,
  restoreMessage: /^src\/adapters\/.*outbox/,
};

export const sealedMessages: Rule = {
  name: "only formats seal messages, only outbox adapters restore them",
  check: ({ files }) =>
    files
      .filter(({ path }) => path !== MINTS && !path.startsWith("test/"))
      .flatMap((file) =>
        usesOf(file)
          .filter(({ target, typeOnly }) => target === MINTS && !typeOnly)
          .flatMap(({ names, line }) =>
            Object.entries(MINTERS).flatMap(([name, minters]): Problem[] => {
              const reaches = names.includes(name) || names.includes("*");
              return reaches && !minters.test(file.path) ? [{ path: file.path, line, message: `may not import ${name}` }] : [];
            }),
          ),
      ),
};

/** The demonstration brings a broker of its own, which no node needs. */
const DEMO = "src/cli/demo.ts";

export const declaredPackages: Rule = {
  name: "packages are declared: what ships in dependencies, the rest in devDependencies",
  check: ({ files, packageJson }) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(packageJson) as Record<string, Record<string, string> | undefined>;
    return files.flatMap((file) =>
      usesOf(file).flatMap(({ specifier, target, line, typeOnly }): Problem[] => {
        if (specifier === null || target !== null || isBuiltin(specifier)) return [];
        const name = packageName(specifier);
        const isForDevelopers = typeOnly || zoneOf(file.path) === "test" || file.path === DEMO;
        const declared = name in dependencies || (isForDevelopers && name in devDependencies);
        return declared ? [] : [{ path: file.path, line, message: `${name} is not declared in package.json` }];
      }),
    );
  },
};

/** Where the program begins: without it every file would seem dead. */
const ENTRY = "src/cli/main.ts";

/** Files that something outside the imports starts: the command line, scripts of package.json, tests, drivers. */
function isStarted(path: string, packageJson: string): boolean {
  if (path === ENTRY || path.endsWith(".test.ts") || path.startsWith("drivers/")) return true;
  return packageJson.includes(path) || packageJson.includes(`dist/${path.replace(/\.ts$/, ".js")}`);
}

export const deadFiles: Rule = {
  name: "every file in src is reached from the command line, a script or a test",
  waitsFor: ({ files }) => (files.some(({ path }) => path === ENTRY) ? null : `there is no ${ENTRY} to start from`),
  check: ({ files, packageJson }) => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const reached = new Set<string>();
    const waiting = files.filter(({ path }) => isStarted(path, packageJson));
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      if (reached.has(file.path)) continue;
      reached.add(file.path);
      for (const { target } of usesOf(file)) {
        const next = target === null ? undefined : byPath.get(target);
        if (next) waiting.push(next);
      }
    }
    return files
      .filter(({ path }) => path.startsWith("src/") && !reached.has(path))
      .map(({ path }) => ({ path, line: 1, message: "nothing imports this file" }));
  },
};

/** Rules about who imports what. */
export const importRules: readonly Rule[] = [importTable, shellIsLast, sealedMessages, declaredPackages, deadFiles];
