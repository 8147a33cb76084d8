import { parseArgs } from "node:util";

/** Exit codes of sysexits.h, as CONTRACT §6 names them. */
export const EXIT = { ok: 0, usage: 64, badData: 65, unavailable: 69, bug: 70, config: 78 } as const;

/** Where a command writes. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** An option of a command: `--json`, `--output FILE`. */
export interface OptionSpec {
  readonly type: "boolean" | "string";
  readonly says: string;
  /** One letter for the same: `-o`. */
  readonly short?: string;
  /** How the value of a string option is called in the help. */
  readonly value?: string;
}

/** What was typed. */
export interface Arguments {
  readonly words: readonly string[];
  flag(name: string): boolean;
  text(name: string): string | null;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly says: string;
  /** Words after the name: `[FILE]`. */
  readonly takes: string;
  readonly wordsMax: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly example: string;
  /** More than one line, for `--help`. */
  readonly more?: string;
  run(typed: Arguments, output: Output): Promise<number>;
}

export const DEFAULT_FILE = "/etc/stoep/node.yaml";

/** Option of commands whose output is data. */
export const JSON_OPTION: OptionSpec = { type: "boolean", says: "print JSON" };

/** A mistake in what was typed. */
export class UsageError extends Error {}

/** Reads the words behind a command's name. Throws `UsageError`. */
export function readArguments(command: Command, argv: readonly string[]): Arguments {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { ...options, help: { type: "boolean" } },
      allowPositionals: true,
    });
    if (positionals.length > command.wordsMax) throw new UsageError(`unexpected "${positionals[command.wordsMax]}"`);
    const typed: Readonly<Record<string, unknown>> = values;
    return {
      words: positionals,
      flag: (name) => typed[name] === true,
      text: (name) => {
        const value = typed[name];
        return typeof value === "string" ? value : null;
      },
    };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The help of one command, with its example. */
export function commandHelp(command: Command): string {
  const rows: [string, string][] = Object.entries(command.options).map(([name, { says, short, value }]) => [
    `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
    says,
  ]);
  rows.push(["--help", "print this"]);
  const takes = command.takes === "" ? "" : ` ${command.takes}`;
  return [
    `stoep ${command.name}${takes}: ${command.says}`,
    ...(command.more === undefined ? [] : ["", command.more]),
    "",
    "Options",
    ...table(rows),
    "",
    "Example",
    `  ${command.example}`,
    "",
  ].join("\n");
}

/** Rows of two columns, indented, the second one aligned. */
export function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
