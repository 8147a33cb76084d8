import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPtyPair, type PtyPair } from "../../support/pty.ts";
import { Watched } from "../child.ts";
import { diskFolder } from "./bench-world.ts";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.js", import.meta.url));

/** A node as an operator has it: a config file, sensors on pseudo terminals, everything real. */
export interface RealNode {
  readonly configFile: string;
  /** Where node.db is. */
  readonly storage: string;
  readonly lines: readonly PtyPair[];
  /** Starts `stoep run`. */
  start(): Watched;
  dispose(): Promise<void>;
}

export interface RealNodeOptions {
  readonly sensors: number;
  readonly url: string;
  /** `10s` is the shortest there is. */
  readonly window: string;
  /** Where node.db is already; its owner removes it. */
  readonly storage?: string;
}

/** Each sensor is an instrument that prints `{"pm25":12.4,"pm10":20.1}` by the line. */
export async function realNode({ sensors, url, window, storage }: RealNodeOptions): Promise<RealNode> {
  const folder = diskFolder();
  const live = mkdtempSync("/dev/shm/stoep-bench-");
  const store = storage ?? join(folder, "store");
  mkdirSync(store, { recursive: true });
  const lines = await Promise.all(Array.from({ length: sensors }, () => openPtyPair()));
  const configFile = join(folder, "node.yaml");
  writeFileSync(
    configFile,
    [
      "stoep: 1",
      "node: { id: bench }",
      `broker: { url: "${url}", prefix: bench }`,
      `window: ${window}`,
      "sensors:",
      ...lines.flatMap(({ path }, index) => [
        `  air-${index + 1}:`,
        "    driver: json-lines",
        `    serial: { path: ${path} }`,
        "    options:",
        "      everyMs: 2000",
        "      fields:",
        "        pm25: { key: pm25, quantity: pm25, range: [0, 1000], resolution: 0.1 }",
        "        pm10: { key: pm10, quantity: pm10, range: [0, 1000], resolution: 0.1 }",
        "    streams: { pm25: { lateness: 1s }, pm10: { lateness: 1s } }",
      ]),
      // Room for a backlog of a million summaries.
      `storage: { directory: ${store}, live: ${live}, outbox: { maxBytes: 2GB } }`,
      "time: { source: operator }",
      "log: { level: warn }",
      "",
    ].join("\n"),
  );
  return {
    configFile,
    storage: store,
    lines,
    start: () => new Watched([MAIN, "run", configFile]),
    async dispose() {
      for (const line of lines) await line.dispose();
      rmSync(live, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One line of such an instrument: two readings. */
export function line(number: number): string {
  return `{"pm25":${(5 + (number % 900) / 10).toFixed(1)},"pm10":${(10 + (number % 700) / 10).toFixed(1)}}\n`;
}

export const READINGS_PER_LINE = 2;
