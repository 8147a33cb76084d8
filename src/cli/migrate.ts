import { readFileSync } from "node:fs";
import { replaceFile } from "../adapters/replace-file.ts";
import { MIGRATIONS, type MigrationStep, migrate as migrateText } from "../config/migrate.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, type Output } from "./command.ts";

export const migrate: Command = {
  name: "migrate",
  says: "bring FILE to the form that this Stoep reads; comments stay",
  takes: "[FILE]",
  wordsMax: 1,
  options: { write: { type: "boolean", says: "change FILE, and keep what it was beside it as FILE.bak-VERSION" } },
  example: "stoep migrate node.yaml",
  more: "Prints the new text; what changed is said on stderr. A file that FILE builds on (extends) is migrated by itself.",
  async run(typed, output) {
    return migrateFile(typed.words[0] ?? DEFAULT_FILE, typed.flag("write"), output);
  },
};

/** `steps`, `target`: those of this Stoep, unless a test brings its own. */
export function migrateFile(
  file: string,
  isWritten: boolean,
  output: Output,
  steps: readonly MigrationStep[] = MIGRATIONS,
  target?: number,
): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    output.err(`stoep migrate: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}). What to do: name the node file`);
    return EXIT.config;
  }
  const done = migrateText(text, file, steps, target);
  switch (done.is) {
    case "nothing":
      output.err(`nothing to migrate: ${file} is of version ${done.version}, which is the one that this Stoep reads`);
      return EXIT.ok;
    case "refused":
      for (const problem of done.problems) output.err(formatProblem(problem));
      return EXIT.config;
    case "migrated": {
      for (const line of done.says) output.err(line);
      for (const { line, path, was, is } of done.changes) output.err(`${file}:${line} ${path}: ${was} -> ${is}`);
      if (isWritten) return written(file, text, done.text, output);
      output.out(done.text);
      return EXIT.ok;
    }
  }
}

function written(file: string, before: string, text: string, output: Output): number {
  const version = /^stoep:\s*(\d+)/m.exec(before)?.[1] ?? "old";
  const backup = `${file}.bak-${version}`;
  try {
    replaceFile(file, text, backup);
    output.err(`${file} is migrated; what it was is in ${backup}. Next: stoep check ${file}`);
    return EXIT.ok;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const remedy = code === "EEXIST" ? `move ${backup} away: it is the copy of an earlier migration` : "check who may write there";
    output.err(`stoep migrate: ${file} was not changed (${code}). What to do: ${remedy}`);
    return EXIT.unavailable;
  }
}
