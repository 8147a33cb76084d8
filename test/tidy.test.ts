import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PLANTED } from "./tidy/planted.ts";
import { type Problem, readRepository } from "./tidy/repository.ts";
import { RULES } from "./tidy/rules.ts";

// The house rules that a machine can check: DESIGN §4 and CONTRIBUTING.md say why, test/tidy/ holds them.
const ROOT = join(import.meta.dirname, "..");
const print = ({ path, line, message }: Problem): string => `${path}:${line} ${message}`;

describe("this repository", () => {
  const repository = readRepository(ROOT);

  it.for(RULES)("keeps: $name", (rule, context) => {
    const reason = rule.waitsFor?.(repository) ?? "";
    context.skip(reason !== "", reason);
    expect(rule.check(repository).map(print)).toEqual([]);
  });

  it("has a planted violation for every rule", () => {
    expect(new Set(PLANTED.map(({ rule }) => rule))).toEqual(new Set(RULES));
  });
});

describe("a copy of this repository with a violation in it", () => {
  let copy: string;
  const plant = (path: string, text: string): void => {
    mkdirSync(join(copy, dirname(path)), { recursive: true });
    writeFileSync(join(copy, path), text);
  };

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), "stoep-tidy-"));
    // Without README and without the suites of the promises, so that one can be planted that promises too much.
    const filter = (path: string): boolean => !path.endsWith("/test/promises");
    for (const name of ["src", "drivers", "test", "package.json"]) {
      if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter });
    }
  });
  afterAll(() => {
    rmSync(copy, { recursive: true, force: true });
  });

  it.for(PLANTED)("is found: $what", ({ rule, path, text }) => {
    const found = (): Problem[] => rule.check(readRepository(copy)).filter((problem) => problem.path === path);
    expect(found(), "the copy is clean before").toEqual([]);
    plant(path, text);
    try {
      expect(found()).not.toEqual([]);
    } finally {
      rmSync(join(copy, path));
    }
  });
});
