import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { NODE_OPTIONS } from "./child.ts";
import { median } from "./figures.ts";

const PACKAGES = ["better-sqlite3", "mqtt", "serialport", "pino", "node-cron", "zod", "yaml"];
const SYNCS = 100;

/** What a reader must know to compare figures: the class of machine, never its name. */
export function machineFacts(): Readonly<Record<string, string>> {
  return {
    node: `${process.version} ${NODE_OPTIONS.join(" ")}`,
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown"} (${process.arch})`,
    packages: PACKAGES.map((name) => `${name} ${versionOf(name)}`).join(", "),
    sqlite: String(new Database(":memory:").prepare("SELECT sqlite_version()").pluck().get()),
    disk: `fdatasync of 4 KiB: ${syncMs().toFixed(2)} ms (median of ${SYNCS}) in ${tmpdir()}`,
  };
}

function versionOf(name: string): string {
  const entry = createRequire(import.meta.url).resolve(name);
  const folder = entry.slice(0, entry.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}/`.length);
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
}

/** Every summary's way goes over the disk: a slow one makes every ratio with it worse. */
function syncMs(): number {
  const path = join(tmpdir(), `stoep-bench-sync-${process.pid}`);
  const file = openSync(path, "w");
  const page = Buffer.alloc(4_096);
  const timesMs = Array.from({ length: SYNCS }, () => {
    writeSync(file, page);
    const startedMs = performance.now();
    fdatasyncSync(file);
    return performance.now() - startedMs;
  });
  closeSync(file);
  rmSync(path);
  return median(timesMs);
}
