import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { GpioLine } from "../../core/units/port.ts";

/** Where the kernel shows GPIO as files; onoff knows no other place. */
export const SYSFS_GPIO = "/sys/class/gpio";

/** The chips that carry the header of a Raspberry Pi: models 0 to 3, model 4, model 5. */
const RASPBERRY_PI_LABELS: readonly string[] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/** A chip as sysfs shows it: line `offset` of the chip has the number `base + offset`. */
export interface SysfsChip {
  readonly label: string;
  readonly base: number;
  readonly lineCount: number;
}

/**
 * The chips under `root`. Their base must be looked up: it is 0 before Linux 6.6, then 512, and was 399, 569 and 571 on kernels of the
 * Raspberry Pi 5 (raspberrypi/linux #6084).
 */
export async function readSysfsChips(root: string): Promise<readonly SysfsChip[]> {
  const names = await readdir(root).catch(() => []);
  const chips = await Promise.all(names.filter((name) => /^gpiochip\d+$/.test(name)).map((name) => readChip(join(root, name))));
  return chips.filter((chip) => chip !== null).sort((a, b) => a.base - b.base);
}

async function readChip(directory: string): Promise<SysfsChip | null> {
  const read = async (name: string): Promise<string> => (await readFile(join(directory, name), "utf8")).trim();
  try {
    const [label, base, lineCount] = await Promise.all([read("label"), read("base"), read("ngpio")]);
    return { label, base: Number(base), lineCount: Number(lineCount) };
  } catch {
    return null; // Unplugged between the listing and the reading.
  }
}

export type SysfsNumber = { readonly number: number } | { readonly problem: string; readonly is: "gone" | "settings" };

/** The number that sysfs knows a line by. Names are unknown to sysfs, but for `GPIO17` and its like on a Raspberry Pi. */
export function sysfsNumber(line: GpioLine["line"], chips: readonly SysfsChip[]): SysfsNumber {
  if ("name" in line) {
    const offset = /^GPIO(\d{1,2})$/.exec(line.name)?.[1];
    const header = chips.filter(({ label }) => RASPBERRY_PI_LABELS.includes(label));
    if (offset === undefined || header.length === 0)
      return { is: "settings", problem: `without gpiomon the line ${line.name} cannot be found by its name` };
    return onChip(header, Number(offset), "the Raspberry Pi header");
  }
  const labelled = chips.filter(({ label }) => label === line.chip);
  return onChip(labelled, line.offset, line.chip);
}

function onChip(chips: readonly SysfsChip[], offset: number, called: string): SysfsNumber {
  const [chip, ...others] = chips;
  if (chip === undefined) return { is: "gone", problem: `no GPIO chip is called ${called}` };
  if (others.length > 0) return { is: "settings", problem: `several GPIO chips are called ${called}` };
  if (offset >= chip.lineCount) return { is: "settings", problem: `line ${offset} is out of range: ${called} has ${chip.lineCount}` };
  return { number: chip.base + offset };
}
