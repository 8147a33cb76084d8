import { sealsAreNotCast, testsOwnTime, testsRun, worldIsPassedIn } from "./calls.ts";
import { deadFiles, declaredPackages, importTable, sealedMessages, shellIsLast } from "./imports.ts";
import { noiseIsExact } from "./noise.ts";
import type { Rule } from "./repository.ts";
import { noLooseEnds, nothingIsCalledAnonymous, promisesAreTested, shortFiles, shortLines } from "./text.ts";

/** A file that breaks a rule, put into a copy of the repository to see that the rule finds it. */
export interface Planted {
  readonly rule: Rule;
  readonly what: string;
  readonly path: string;
  readonly text: string;
}

const planted = (rule: Rule, what: string, path: string, text: string): Planted => ({ rule, what, path, text });

/** Files in a folder for planting: no such name exists. */
const core = "src/core/window/planted.ts";
const driver = "drivers/planted/driver.ts";
const unit = "test/unit/planted.test.ts";
const draw = "src/core/anonymise/noise/planted.ts";

const imports: readonly Planted[] = [
  planted(importTable, "a built-in module in core", core, 'import { readFileSync } from "node:fs";\n'),
  planted(importTable, "a built-in module without its prefix", core, 'import fs from "fs";\n'),
  planted(importTable, "a package in core", core, 'import { z } from "zod";\n'),
  planted(importTable, "a type of a package in core", core, 'export type T = import("zod").ZodType;\n'),
  planted(importTable, "a type from another folder in core", core, 'import type { Clock } from "../../ports/clock.ts";\n'),
  planted(importTable, "a re-export in core", core, 'export * from "../../runtime/node.ts";\n'),
  planted(importTable, "a dynamic import in core", core, 'export const late = () => import("../../adapters/host.ts");\n'),
  planted(importTable, "a computed import in core", core, "export const late = (name: string) => import(name);\n"),
  planted(importTable, "require in core", core, 'declare const require: any;\nexport const fs = require("node:fs");\n'),
  planted(
    importTable,
    "ports importing the driver contract",
    "src/ports/planted.ts",
    'import type { Driver } from "../driver-api/driver.ts";\n',
  ),
  planted(importTable, "driver-api importing core/window", "src/driver-api/planted.ts", 'import "../core/window/lattice.ts";\n'),
  planted(importTable, "config importing a port", "src/config/planted.ts", 'import type { Clock } from "../ports/clock.ts";\n'),
  planted(importTable, "formats importing a package", "src/formats/planted.ts", 'import { stringify } from "yaml";\n'),
  planted(importTable, "runtime importing a value of config", "src/runtime/planted.ts", 'import { plan } from "../config/plan.ts";\n'),
  planted(importTable, "runtime importing an adapter", "src/runtime/planted.ts", 'import { createHost } from "../adapters/host.ts";\n'),
  planted(importTable, "an adapter importing the runtime", "src/adapters/planted.ts", 'import { node } from "../runtime/node.ts";\n'),
  planted(importTable, "testing importing an adapter", "src/testing/planted.ts", 'import { createHost } from "../adapters/host.ts";\n'),
  planted(importTable, "a driver importing a value of ours", driver, 'import { framers } from "../../src/driver-api/index.ts";\n'),
  planted(importTable, "a driver reaching past the contract", driver, 'import type { Clock } from "../../src/ports/clock.ts";\n'),
  planted(importTable, "a driver importing its neighbour", driver, 'import { parse } from "./parse.ts";\n'),
  planted(importTable, "a folder that the design does not know", "src/utils/planted.ts", "export const x = 1;\n"),
  planted(shellIsLast, "an adapter importing cli", "src/adapters/planted.ts", 'import { main } from "../cli/main.ts";\n'),
  planted(shellIsLast, "the runtime importing testing", "src/runtime/planted.ts", 'import { world } from "../testing/world.ts";\n'),
  planted(shellIsLast, "cli importing a driver", "src/cli/planted.ts", 'import sds011 from "../../drivers/sds011/driver.ts";\n'),
  planted(sealedMessages, "the runtime sealing", "src/runtime/planted.ts", 'import { sealMessage } from "../core/anonymise/message.ts";\n'),
  planted(
    sealedMessages,
    "the runtime sealing under another name",
    "src/runtime/planted.ts",
    'import { sealMessage as make } from "../core/anonymise/message.ts";\n',
  ),
  planted(sealedMessages, "a namespace import", "src/adapters/planted.ts", 'import * as message from "../core/anonymise/message.ts";\n'),
  planted(sealedMessages, "a re-export", core, 'export { restoreMessage } from "../anonymise/message.ts";\n'),
  planted(
    sealedMessages,
    "a format restoring",
    "src/formats/planted.ts",
    'import { restoreMessage } from "../core/anonymise/message.ts";\n',
  ),
  planted(
    sealedMessages,
    "another adapter restoring",
    "src/adapters/mqtt/planted.ts",
    'import { restoreMessage } from "../../core/anonymise/message.ts";\n',
  ),
  planted(declaredPackages, "a package that nobody declared", "src/adapters/planted.ts", 'import pad from "left-pad";\n'),
  planted(declaredPackages, "shipped code on a development package", "src/adapters/planted.ts", 'import fc from "fast-check";\n'),
  planted(deadFiles, "a file that nothing imports", core, "export const x = 1;\n"),
];

const calls: readonly Planted[] = [
  planted(worldIsPassedIn, "Date.now", core, "export const now = Date.now;\n"),
  planted(worldIsPassedIn, "Date.now by key", core, 'export const now = () => Date["now"]();\n'),
  planted(worldIsPassedIn, "new Date()", driver, "export const now = () => new Date();\n"),
  planted(worldIsPassedIn, "Date()", "src/config/planted.ts", "export const now = () => Date();\n"),
  planted(worldIsPassedIn, "Math.random", "src/formats/planted.ts", "export const roll = () => Math.random();\n"),
  planted(worldIsPassedIn, "setTimeout", "src/runtime/planted.ts", "export const later = (task: () => void) => setTimeout(task, 1);\n"),
  planted(worldIsPassedIn, "setInterval handed on", "src/runtime/planted.ts", "export const timers = { every: setInterval };\n"),
  planted(worldIsPassedIn, "process", "src/ports/planted.ts", "export const home = process.env.HOME;\n"),
  planted(worldIsPassedIn, "globalThis", core, "export const pid = globalThis.process.pid;\n"),
  planted(testsRun, "only", unit, 'it.only("x", () => {});\n'),
  planted(testsRun, "only in a chain", unit, 'describe.concurrent.only.each([1])("x", () => {});\n'),
  planted(testsRun, "a test that is switched off", unit, 'it.skip("x", () => {});\n'),
  planted(testsRun, "a test that is still to be written", unit, 'it.todo("x");\n'),
  planted(testsRun, "a silent skip at run time", unit, 'it("x", (context) => { context.skip(); });\n'),
  planted(testsRun, "a skip with a condition only", unit, 'it("x", (context) => { context.skip(1 === 1); });\n'),
  planted(sealsAreNotCast, "a cast to a message", "src/runtime/planted.ts", "export const sent = (x: object) => x as Message;\n"),
  planted(sealsAreNotCast, "one in two steps", "src/formats/planted.ts", "export const x = {} as unknown as readonly Message[];\n"),
  planted(sealsAreNotCast, "one in the old way", "src/adapters/planted.ts", "export const x = <anonymise.Summary>{};\n"),
  planted(sealsAreNotCast, "a cast beside the seal", "src/core/anonymise/planted.ts", "export const x = (y: object) => y as Summary;\n"),
  planted(testsOwnTime, "a sleep", unit, "await new Promise((resolve) => setTimeout(resolve, 10));\n"),
  planted(
    testsOwnTime,
    "a sleep of node:timers",
    "test/sim/planted.test.ts",
    'import { setTimeout as sleep } from "node:timers/promises";\n',
  ),
  planted(testsOwnTime, "a sleep by Atomics", "test/property/planted.test.ts", "Atomics.wait(cells, 0, 0, 10);\n"),
];

const noise: readonly Planted[] = [
  planted(noiseIsExact, "Math.random", draw, "export const u = () => Math.random();\n"),
  planted(noiseIsExact, "Math under another name", draw, "const { log } = Math;\nexport const x = (y: any) => log(y);\n"),
  planted(noiseIsExact, "Math through globalThis", draw, "export const u = () => globalThis.Math.random();\n"),
  planted(noiseIsExact, "Math by key", draw, 'export const u = () => (globalThis as any)["Math"].random();\n'),
  planted(noiseIsExact, "a float", draw, "export const half = 0.5;\n"),
  planted(noiseIsExact, "a float with an exponent", draw, "export const tiny = 1e-9;\n"),
  planted(noiseIsExact, "a number that is whole", draw, "export const two = 2;\n"),
  planted(noiseIsExact, "Number()", draw, "export const x = (y: bigint) => Number(y);\n"),
  planted(noiseIsExact, "a number by its sign", draw, "export const x = (y: string) => +y;\n"),
  planted(noiseIsExact, "parseFloat", draw, "export const x = (y: string) => parseFloat(y);\n"),
  planted(noiseIsExact, "a parameter that is a number", draw, "export const x = (scale: number) => BigInt(scale);\n"),
  planted(noiseIsExact, "an array of floats", draw, "export const x = (y: bigint[]) => new Float64Array(y as any);\n"),
  planted(noiseIsExact, "a division of bytes", "src/core/anonymise/noise/byte-planted.ts", "export const u = (b: number) => b / 256;\n"),
  planted(noiseIsExact, "an import of readings", draw, 'import type { Readings } from "../../window/readings.ts";\n'),
  planted(noiseIsExact, "an import of accuracy", draw, 'import { halfWidth95 } from "../accuracy.ts";\n'),
];

const text: readonly Planted[] = [
  planted(shortLines, "a long line", core, `// ${"x".repeat(140)}\n`),
  planted(shortFiles, "a long file", core, "// one\n".repeat(351)),
  planted(noLooseEnds, "a loose end", core, `// TO${"DO"}: finish\n`),
  planted(noLooseEnds, "another", driver, `// FIX${"ME"}\n`),
  planted(nothingIsCalledAnonymous, "a claim", "src/formats/planted.ts", 'export const claim = "Anonymous statistics";\n'),
  planted(nothingIsCalledAnonymous, "a claim beside the claims", "src/core/anonymise/planted.ts", "// anonymously\n"),
  planted(nothingIsCalledAnonymous, "a claim in Dutch", driver, 'export const claim = "anonieme tellingen";\n'),
  planted(nothingIsCalledAnonymous, "a claim in the README", "README.md", "Anonymous counts of P1 to P8, not kept yet\n"),
  planted(promisesAreTested, "a promise that is neither tested nor admitted", "README.md", "| P1 | Only summaries leave. | |\n"),
];

/** At least one for every rule. */
export const PLANTED: readonly Planted[] = [...imports, ...calls, ...noise, ...text];
