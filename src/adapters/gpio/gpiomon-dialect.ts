import type { GpioLine } from "../../core/units/port.ts";
import type { Edge } from "./debounce.ts";

/** A line as the kernel knows it. */
export interface LinePlace {
  /** Name of the chip's device: `gpiochip0`. */
  readonly chip: string;
  readonly offset: number;
}

/** Lines that one process can watch: of one chip, watched for the same edges, pulled the same way. */
export interface LineGroup {
  readonly chip: string;
  readonly edge: GpioLine["edge"];
  readonly pull: GpioLine["pull"];
  readonly offsets: readonly number[];
}

/** A tool and its arguments. */
export type Command = readonly [tool: string, ...args: string[]];

/** How one major version of the libgpiod tools is spoken to. All of it is pure. */
export interface GpiomonDialect {
  readonly backend: "gpiomon-1" | "gpiomon-2";
  /** Whether gpiomon says a first line once it holds its lines. */
  readonly saysReady: boolean;
  readonly limits: readonly string[];
  /** Asks where the lines with this name are: `parsePlaces` reads the answer. */
  find(name: string): Command;
  /** Asks for the levels of the lines, in their order. */
  read(group: LineGroup): Command;
  /** Watches the lines until it is ended. */
  watch(group: LineGroup): Command;
  /** A line of what `watch` prints; null when it is not an edge. */
  parseEdge(line: string): (Edge & { readonly offset: number }) | null;
}

/** Limits that both versions share. */
export const GPIOMON_LIMITS: readonly string[] = [
  "an edge in the few milliseconds between reading the level of a line and watching it is not seen",
  "the kernel keeps 16 edges a line for gpiomon to fetch; more at once are lost unseen",
];

const NS_PER_SECOND = 1_000_000_000n;

/** Where lines are, as both versions print it: chip and offset, then nothing or a tab and more. */
export function parsePlaces(stdout: string): readonly LinePlace[] {
  return stdout.split("\n").flatMap((line) => {
    const [, chip, offset] = /^(\S+) (\d+)(?:\t|$)/.exec(line) ?? [];
    return chip === undefined || offset === undefined ? [] : [{ chip, offset: Number(offset) }];
  });
}

export const nanoseconds = (seconds: string, rest: string): bigint => BigInt(seconds) * NS_PER_SECOND + BigInt(rest);

/** The levels that gpioget printed, `0` or `1` for each line; null when it printed something else. */
export function parseLevels(stdout: string, lineCount: number): readonly boolean[] | null {
  const words = stdout.trim().split(/\s+/);
  if (words.length !== lineCount || !words.every((word) => word === "0" || word === "1")) return null;
  return words.map((word) => word === "1");
}

/** A chip as gpiodetect lists it; both versions print the same. */
export interface ChipInfo {
  readonly name: string;
  readonly label: string;
}

export function parseChips(stdout: string): readonly ChipInfo[] {
  return stdout.split("\n").flatMap((line) => {
    const [, name, label] = /^(\S+) \[(.*)\] \(\d+ lines\)$/.exec(line) ?? [];
    return name === undefined || label === undefined ? [] : [{ name, label }];
  });
}

/** The major version that `gpiomon --version` tells: `gpiomon (libgpiod) v1.6.3`. */
export function parseMajorVersion(stdout: string): number | null {
  const major = /^gpiomon \(libgpiod\) v(\d+)\./.exec(stdout)?.[1];
  return major === undefined ? null : Number(major);
}
