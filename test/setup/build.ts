import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** vitest runs this once before tests that start the built program: they must never see an older one. */
export function setup(): void {
  for (const project of ["src", "src/driver-api"]) {
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", join(project, "tsconfig.json")], { cwd: ROOT, stdio: "inherit" });
  }
}
