import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Issued } from "./certificates.ts";
import type { LogLine, NodeSite } from "./node-process.ts";

const CHILD = resolve(import.meta.dirname, "../faults/children/street.mjs");
const MAIN = resolve(import.meta.dirname, "../../dist/src/cli/main.js");

const WAIT_MS = 60_000;
const POLL_MS = 50;

/** Port of every broker in the street. */
export const STREET_PORT = 8883;

/** For `describe.skipIf`: without namespaces of one's own no address of the internet can be had. */
export const skipWithoutNamespaces = spawnSync("unshare", ["-rnm", "ip", "link", "set", "lo", "up"]).status !== 0;

/** What happened in the street, by address. */
export interface StreetFacts {
  readonly queries: number;
  readonly connections: Readonly<Record<string, number>>;
  /** After the handshake. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly summaries: Readonly<Record<string, number>>;
}

/** A node of its own in an internet of its own: real name server, real getaddrinfo, real TLS. */
export class Street {
  readonly log: LogLine[] = [];
  readonly #seen: string;
  readonly #answers: string;
  readonly #child: ChildProcess;

  constructor(site: NodeSite, server: Issued, addresses: readonly string[], answers: readonly (readonly string[])[]) {
    const path = (name: string) => join(site.folder, name);
    this.#seen = path("seen.json");
    this.#answers = path("answers.json");
    this.answer(answers);
    const run = [process.execPath, "--max-semi-space-size=1", "--clear-free-memory", MAIN, "run", site.file];
    const rest = { answers: this.#answers, seen: this.#seen, resolvConf: path("resolv.conf"), cert: server.cert, key: server.key };
    writeFileSync(path("street.json"), JSON.stringify({ addresses, port: STREET_PORT, run, ...rest }));
    this.#child = spawn("unshare", ["-rnm", process.execPath, CHILD, path("street.json")], { stdio: ["pipe", "pipe", "inherit"] });
    let unfinished = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (unfinished + text).split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) this.log.push(JSON.parse(line) as LogLine);
    });
  }

  /** What the name server says from now on: a list for each question, the last for all that follow. */
  answer(lists: readonly (readonly string[])[]): void {
    writeFileSync(this.#answers, JSON.stringify(lists));
  }

  /** Breaks every connection. */
  cut(): void {
    this.#child.stdin?.write("cut\n");
  }

  get facts(): StreetFacts {
    const nothing: StreetFacts = { queries: 0, connections: {}, bytes: {}, summaries: {} };
    return existsSync(this.#seen) ? (JSON.parse(readFileSync(this.#seen, "utf8")) as StreetFacts) : nothing;
  }

  events(name: string): readonly LogLine[] {
    return this.log.filter(({ event }) => event === name);
  }

  /** Waits for something to happen in the street; windows of the node are 10 s, its backoff is as long. */
  async until(done: () => boolean): Promise<void> {
    const untilMs = performance.now() + WAIT_MS;
    while (!done()) {
      if (performance.now() > untilMs) throw new Error(`not within ${WAIT_MS} ms: ${JSON.stringify([this.facts, this.log.slice(-5)])}`);
      await wait(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }
}
