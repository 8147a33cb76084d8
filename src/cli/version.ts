import { readFileSync } from "node:fs";
import { type Command, EXIT, JSON_OPTION } from "./command.ts";

/** Version of this software, from package.json beside `dist`. */
export function softwareVersion(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

export const version: Command = {
  name: "version",
  says: "print the version",
  takes: "",
  wordsMax: 0,
  options: { json: JSON_OPTION },
  example: "stoep version",
  async run(typed, output) {
    const facts = {
      stoep: softwareVersion(),
      node: process.versions.node,
      sqlite: (await import("better-sqlite3")).default(":memory:").prepare("SELECT sqlite_version()").pluck().get(),
    };
    output.out(typed.flag("json") ? JSON.stringify(facts) : `stoep ${facts.stoep} (Node ${facts.node}, SQLite ${facts.sqlite})`);
    return EXIT.ok;
  },
};
