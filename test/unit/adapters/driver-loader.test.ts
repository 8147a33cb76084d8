import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scanImports } from "../../../src/adapters/driver-imports.ts";
import { listDrivers, loadDriver } from "../../../src/adapters/driver-loader.ts";

const BUILT_IN = join(import.meta.dirname, "../../../drivers");
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stoep-drivers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A driver that is sound, as a built file; `change` is put into the object that it makes. */
const source = (name: string, change = ""): string => `export default ({ z }) => ({
  apiVersion: 1, name: "${name}", summary: "a test", port: "file", options: z.strictObject({}),
  channels: () => [], start: () => ({ handle() {} }), ${change}
});
`;

function put(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The code of the problem, or "loaded". */
async function outcome(name: string, path = folder, pin?: string): Promise<string> {
  const loaded = await loadDriver(name, [{ path, sha256: pin }]);
  if (loaded.ok) return "loaded";
  expect(loaded.problem.detail.length).toBeGreaterThan(0);
  expect(loaded.problem.remedy.length).toBeGreaterThan(0);
  return loaded.problem.code;
}

describe("loadDriver", () => {
  it("loads a built-in driver like any other, with the API it needs", async () => {
    const loaded = await loadDriver("sds011", [{ path: folder }, { path: BUILT_IN }]);
    expect(loaded).toMatchObject({ ok: true, driver: { name: "sds011", port: "serial" }, file: join(BUILT_IN, "sds011/driver.ts") });
    if (loaded.ok) expect(loaded.driver.channels(loaded.driver.options.parse({})).map(({ name }) => name)).toEqual(["pm25", "pm10"]);
  });

  it.each(["air/driver.js", "air/driver.mjs"])("finds %s in a folder of drivers", async (path) => {
    put(path, source("air"));
    expect(await outcome("air")).toBe("loaded");
  });

  it("finds a driver by the path of its file, called after the driver or its folder", async () => {
    expect(await outcome("air", put("air.mjs", source("air")))).toBe("loaded");
    expect(await outcome("rain", put("rain/driver.mjs", source("rain")))).toBe("loaded");
    expect(await outcome("wind", put("rain/driver.mjs", source("rain")))).toBe("DRIVER_NOT_FOUND");
    expect(await outcome("air", put("air.txt", source("air")))).toBe("DRIVER_NOT_FOUND");
  });

  it("takes the first path that has the driver", async () => {
    put("a/air/driver.mjs", source("air", "generic: true"));
    put("b/air/driver.mjs", source("air"));
    const paths = ["none", "a", "b"].map((path) => ({ path: join(folder, path) }));
    expect(await loadDriver("air", paths)).toMatchObject({ ok: true, driver: { generic: true } });
  });

  it("says where it looked", async () => {
    const loaded = await loadDriver("nothing", [{ path: folder }]);
    expect(loaded).toMatchObject({ ok: false, problem: { code: "DRIVER_NOT_FOUND", detail: expect.stringContaining(folder) } });
  });

  it.each(["../air", "air/../../x", "Air", "", "a".repeat(33), "."])("refuses %j as a name", async (name) => {
    expect(await outcome(name)).toBe("DRIVER_NAME_INVALID");
  });

  it("checks the pin, in either case of letters", async () => {
    put("air/driver.mjs", source("air"));
    expect(await outcome("air", folder, sha256(source("air")))).toBe("loaded");
    expect(await outcome("air", folder, sha256(source("air")).toUpperCase())).toBe("loaded");
    expect(await outcome("air", folder, sha256("something else"))).toBe("DRIVER_HASH_MISMATCH");
  });

  it("does not run a driver whose hash is not the pinned one", async () => {
    put("air/driver.mjs", `export default () => { throw new Error("ran"); };`);
    expect(await outcome("air", folder, sha256("other"))).toBe("DRIVER_HASH_MISMATCH");
  });

  it("refuses a pinned driver that consists of several files: the pin would cover one", async () => {
    const text = `import { x } from "./x.mjs";\n${source("air", "generic: x")}`;
    put("air/x.mjs", "export const x = true;");
    put("air/driver.mjs", text);
    expect(await outcome("air")).toBe("loaded");
    expect(await outcome("air", folder, sha256(text))).toBe("DRIVER_IMPORT_REFUSED");
  });

  it("looks into the files beside it that a driver imports", async () => {
    put("air/driver.mjs", `import { x } from "./a.mjs";\n${source("air", "generic: x")}`);
    put("air/a.mjs", `export { x } from "./b.mjs";`);
    put("air/b.mjs", `import { readFileSync } from "node:fs";\nexport const x = !readFileSync;`);
    expect(await outcome("air")).toBe("DRIVER_IMPORT_REFUSED");
    put("air/b.mjs", "export const x = true;");
    expect(await outcome("air")).toBe("loaded");
  });

  it("refuses files outside of the driver's folder, also through a link", async () => {
    put("secret.mjs", "export const x = true;");
    put("up/driver.mjs", `import { x } from "../secret.mjs";\n${source("up", "generic: x")}`);
    put("link/driver.mjs", `import { x } from "./x.mjs";\n${source("link", "generic: x")}`);
    symlinkSync(join(folder, "secret.mjs"), join(folder, "link/x.mjs"));
    put("gone/driver.mjs", `import { x } from "./x.mjs";\n${source("gone", "generic: x")}`);
    for (const name of ["up", "link", "gone"]) expect(await outcome(name)).toBe("DRIVER_IMPORT_REFUSED");
  });

  it.each([
    ["no default export", "export const driver = 1;", "DRIVER_SHAPE_INVALID"],
    ["a default export that makes nothing", "export default 5;", "DRIVER_SHAPE_INVALID"],
    ["another API version", source("air", "apiVersion: 2"), "DRIVER_API_VERSION"],
    ["no API version", "export default () => null;", "DRIVER_API_VERSION"],
    ["another name", source("water"), "DRIVER_SHAPE_INVALID"],
    ["no way to start", source("air", "start: null"), "DRIVER_SHAPE_INVALID"],
    ["options that are no schema", source("air", "options: {}"), "DRIVER_SHAPE_INVALID"],
    ["an unknown port", source("air", 'port: "usb"'), "DRIVER_SHAPE_INVALID"],
    ["a serial port without a baud rate", source("air", 'port: "serial"'), "DRIVER_SHAPE_INVALID"],
    ["a syntax error", "export default (", "DRIVER_LOAD_FAILED"],
    ["an exception", `export default () => { throw new Error("no"); };`, "DRIVER_LOAD_FAILED"],
  ])("refuses %s", async (_, text, code) => {
    put("air/driver.mjs", text);
    expect(await outcome("air")).toBe(code);
  });
});

describe("scanImports", () => {
  it.each([
    ['import { readFileSync } from "node:fs";', 'import of "node:fs"'],
    ["import fs from 'fs'", 'import of "fs"'],
    ['import*as fs from"node:fs"', 'import of "node:fs"'],
    ['import "serialport";', 'import of "serialport"'],
    ['import a, {\n  b,\n} from "mqtt";', 'import of "mqtt"'],
    ['export * from "zod";', 'import of "zod"'],
    ['export { z } from "zod";', 'import of "zod"'],
    ['import type from "type";', 'import of "type"'],
    ['import { type A, b } from "x";', 'import of "x"'],
    ['const fs = await import("node:fs");', "import()"],
    ["const fs = await import /* hidden */ (name);", "import()"],
    ['const fs = require("fs");', "require"],
    [`const text = \`$\{await import("node:fs")}\`;`, "import()"],
    ["const fs = process.getBuiltinModule(name);", "process"],
    ["const fs = globalThis[name];", "globalThis"],
    ['eval("1")', "eval"],
    ['new Function("return 1")', "Function()"],
    ['await fetch("http://example.org")', "the network"],
    ["setTimeout(tick, 1)", "a timer of its own"],
    ["import.meta.resolve(x)", "import.meta"],
    ['const quote = /"/; const fs = 1;\nimport "node:fs";', 'import of "node:fs"'],
  ])("refuses %s", (text, refused) => {
    expect(scanImports(text)).toEqual({ local: [], refused: [refused] });
  });

  it.each([
    'import type { Driver } from "../../src/driver-api/index.ts";',
    'import type Driver, { A } from "x";',
    'export type { Driver } from "x";',
    '// import "node:fs"',
    '/* const fs = require("fs");\n import "node:fs" */',
    "const text = \"import fs from 'node:fs'\";",
    "const text = 'a \\' require(1)';",
    'export default ({ z }) => ({ name: "from", summary: \'imports from "x"\' });',
    'const note = "it\'s"; // process',
    "this.process(frame); frame.require(2); sink.import(3);",
    "class A { #process(x) { return x; } }",
  ])("has nothing against %s", (text) => {
    expect(scanImports(text)).toEqual({ local: [], refused: [] });
  });

  it("names the files beside it", () => {
    expect(scanImports('import { a } from "./a.js";\nexport * from "../b.js";\nimport "./c.js";').local).toEqual([
      "./a.js",
      "../b.js",
      "./c.js",
    ]);
  });
});

describe("listDrivers", () => {
  it("lists folders with a driver, sorted, and nothing else", async () => {
    put("water/driver.mjs", source("water"));
    put("air/driver.js", source("air"));
    put("_template/driver.js", source("_template"));
    put("notes/README.md", "");
    put("README.md", "");
    expect(await listDrivers(folder)).toEqual(["air", "water"]);
    expect(await listDrivers(join(folder, "none"))).toEqual([]);
  });

  it("finds the built-in ones", async () => {
    const names = await listDrivers(BUILT_IN);
    expect(names).toEqual(expect.arrayContaining(["contact", "json-lines", "ops243", "pms5003", "pulse-counter", "sds011", "simulator"]));
    expect(names).not.toContain("_template");
  });
});
