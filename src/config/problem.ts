/** The way to a value in the file: keys of maps, indexes of lists. */
export type Path = readonly (string | number)[];

/** A place in the file. Both count from 1; columns count UTF-16 units, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A place, and the file that it is in. */
export interface Place extends Position {
  readonly file: string;
}

/** One thing that is wrong with a configuration, where it is and what would be right. */
export interface ConfigProblem extends Position {
  readonly file: string;
  /** `sensors.air-1.window`; empty when it concerns the file as a whole. */
  readonly path: string;
  /** What is wrong, what is allowed, and what was perhaps meant. Never the text of a secret. */
  readonly message: string;
  /** A node starts with warnings, but not with errors. */
  readonly severity: "error" | "warning";
}

/** `sensors.air-1.window`, `driverPaths[0].path`. A key that is not plain is quoted. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** `node.yaml:7:13 sensors.air-1.window: must be …`, as compilers and editors know it. */
export function formatProblem({ file, line, column, path, message, severity }: ConfigProblem): string {
  const subject = path === "" ? "" : ` ${path}:`;
  return `${file}:${line}:${column}${subject} ${severity === "warning" ? "warning: " : ""}${message}`;
}

/** In the order of the file, errors before warnings at one place; the file that was named first. */
export function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const rank = (problem: ConfigProblem) => (problem.severity === "error" ? 0 : 1);
  const files = [...new Set(problems.map(({ file }) => file))];
  return problems.toSorted(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column || rank(a) - rank(b),
  );
}

/** Whether `path` leads to `start`, or through it. */
export const startsWith = (path: Path, start: Path): boolean => start.every((step, index) => path[index] === step);
