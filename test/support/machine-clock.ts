import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeSite } from "./node-process.ts";

/** A time service of one node alone, in front of its PATH. The kernel says what stands in a file; chronyd does not run. */
export class TimeService {
  readonly environment: Readonly<Record<string, string>>;
  readonly #answer: string;

  constructor(site: NodeSite) {
    const folder = join(site.folder, "bin");
    this.#answer = join(site.folder, "synchronised");
    mkdirSync(folder);
    writeFileSync(join(folder, "chronyc"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    writeFileSync(join(folder, "timedatectl"), `#!/bin/sh\ncat ${this.#answer}\n`, { mode: 0o755 });
    this.environment = { PATH: `${folder}:${process.env.PATH ?? ""}` };
  }

  say(answer: "yes" | "no"): void {
    writeFileSync(this.#answer, `${answer}\n`);
  }
}

/** Where libfaketime is, or null: the variant for programs with threads, which Node is. */
export function faketimeLibrary(): string | null {
  try {
    const environment = execFileSync("faketime", ["-m", "-f", "+0", "env"], { encoding: "utf8" });
    return /^LD_PRELOAD=(\S+)$/m.exec(environment)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** The wall clock of one process, which a test sets; its monotonic clock goes on (libfaketime). */
export class WallClock {
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: string;
  #aheadS = 0;

  constructor(site: NodeSite, library: string, aheadS: number) {
    this.#file = join(site.folder, "wall-clock");
    this.set(aheadS);
    this.environment = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  /** Seconds that it is ahead of the machine's; negative, behind. */
  set(aheadS: number): void {
    this.#aheadS = aheadS;
    // Whole or not at all: the process reads it at any moment.
    writeFileSync(`${this.#file}.new`, `${aheadS < 0 ? "-" : "+"}${Math.abs(aheadS)}`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  now(): number {
    return Date.now() + this.#aheadS * 1_000;
  }
}
