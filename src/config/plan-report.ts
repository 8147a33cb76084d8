import { isCut, type ParsedFile } from "./parse.ts";
import { type ConfigProblem, type Path, pathText } from "./problem.ts";

/** Collects what is wrong with the meaning of a file, and leaves out what only repeats that its form is wrong. */
export class PlanReport {
  readonly parsed: ParsedFile;
  readonly problems: ConfigProblem[] = [];

  constructor(parsed: ParsedFile) {
    this.parsed = parsed;
  }

  error(path: Path, message: string, at: "value" | "key" = "value"): void {
    this.#add(path, message, at, "error");
  }

  warning(path: Path, message: string, at: "value" | "key" = "value"): void {
    this.#add(path, message, at, "warning");
  }

  /** Problems that were found elsewhere, at their places. */
  take(problems: readonly ConfigProblem[]): void {
    this.problems.push(...problems);
  }

  /** Whether the value at `path` was wrong already, so that it is missing now. */
  isCut(path: Path): boolean {
    return isCut(path, this.parsed.cut);
  }

  /** The line on which `path` stands, for messages that point from one place to another. */
  lineOf(path: Path): number {
    return this.parsed.locate(path, "key").line;
  }

  #add(path: Path, message: string, at: "value" | "key", severity: "error" | "warning"): void {
    if (this.isCut(path)) return;
    this.problems.push({ ...this.parsed.locate(path, at), path: pathText(path), message, severity });
  }
}
