import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../../..");

/**
 * Compiles one file, with all that it imports, for a plain Node: a child process that is going to be killed must not have a test
 * runner around it. Gives the folder, to be deleted, and the path of the compiled file.
 */
export function compileForNode(entry: string): { readonly folder: string; readonly file: string } {
  // Inside the project, where packages are found, and ignored by git.
  const cache = join(ROOT, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "child-"));
  const options =
    "--ignoreConfig --rootDir . --target es2023 --module nodenext --types node --skipLibCheck --rewriteRelativeImportExtensions";
  const compiler = join(ROOT, "node_modules/.bin/tsc");
  execFileSync(compiler, [...options.split(" "), "--strict", "--outDir", folder, entry], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return { folder, file: join(folder, relative(ROOT, entry).replace(/\.ts$/, ".js")) };
}
