import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One TypeScript or JavaScript file, by its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Everything that the rules look at. */
export interface Repository {
  readonly files: readonly SourceFile[];
  readonly packageJson: string;
  /** null: there is no README yet. */
  readonly readme: string | null;
}

/** What a rule found, and where. `line` counts from 1. */
export interface Problem {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  /** Why it cannot be judged yet, or null. */
  waitsFor?(repository: Repository): string | null;
  check(repository: Repository): Problem[];
}

const FOLDERS = ["src", "drivers", "test"];

/** Reads a checkout, or a copy of one. */
export function readRepository(root: string): Repository {
  const readme = join(root, "README.md");
  const files: SourceFile[] = [];
  for (const folder of FOLDERS.filter((name) => existsSync(join(root, name)))) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!/\.(ts|mjs)$/.test(entry)) continue;
      const path = `${folder}/${entry}`;
      files.push({ path, text: readFileSync(join(root, path), "utf8") });
    }
  }
  return {
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    packageJson: readFileSync(join(root, "package.json"), "utf8"),
    readme: existsSync(readme) ? readFileSync(readme, "utf8") : null,
  };
}

/** The line that an offset lies on, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** The folder below `src` that a file belongs to, `drivers`, `test`, or null. */
export function zoneOf(path: string): string | null {
  const [top, next] = path.split("/");
  return top === "src" ? (next ?? null) : top === "drivers" || top === "test" ? top : null;
}
