import type { SerialSettings } from "../core/units/port.ts";
import type { Driver } from "../driver-api/driver.ts";
import type { PortPlan } from "./plan.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { NodeConfig, SensorConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";

/** The `buses` of a file. */
export type Buses = NodeConfig["buses"];

const SETTINGS = [
  ["baudRate", "baud"],
  ["parity", "parity"],
  ["stopBits", "stopBits"],
] as const;

/** Fits a sensor to its unit of a bus; null when there is no such bus. */
export function planUnit(
  sensor: SensorConfig,
  { driver, options, buses }: { readonly driver: Driver; readonly options: unknown; readonly buses: Buses },
  path: Path,
  report: PlanReport,
): PortPlan | null {
  const { bus = "", unit } = sensor;
  const config = Object.hasOwn(buses, bus) ? buses[bus] : undefined;
  if (config === undefined) {
    const names = Object.keys(buses);
    const there = names.length === 0 ? "there is none: write buses:" : `there ${names.length > 1 ? "are" : "is"} ${listed(names, "and")}`;
    if (!report.isCut(["buses", bus]))
      report.error([...path, "bus"], `"${bus}" is not a bus of this file; ${there}${didYouMean(bus, names)}`);
    return null;
  }
  // The schema asks for it; a file that was cut may lack it.
  if (unit === undefined) return null;
  const { path: device, baud, parity, stopBits } = config.serial;
  const settings: SerialSettings = { baudRate: baud, parity, stopBits };
  const wanted = { ...driver.serial, ...(options === undefined ? {} : driver.unitLine?.(options)) };
  for (const [key, name] of SETTINGS) {
    if (wanted[key] === undefined || wanted[key] === settings[key]) continue;
    const where = `bus ${bus} has ${String(settings[key])} (line ${report.lineOf(["buses", bus, "serial"])} of this file)`;
    const remedy = "every unit of a bus must be set to the same";
    report.error([...path, "bus"], `does not fit: driver ${driver.name} needs ${name} ${String(wanted[key])}, and ${where}; ${remedy}`);
  }
  return { is: "modbus", bus, unit, path: device, settings };
}
