import type { GpioLine } from "../core/units/port.ts";
import type { Driver } from "../driver-api/driver.ts";
import type { PortPlan } from "./plan.ts";
import { type Buses, planUnit } from "./plan-bus.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { SensorConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";

/** Name of the one line of a driver that does not name its lines (driver contract, `lines`). */
const ONLY_LINE = "line";

/** Fits the sensor's port to its driver; null when it does not fit. */
export function planPort(
  sensor: SensorConfig,
  { driver, options, buses }: { readonly driver: Driver; readonly options: unknown; readonly buses: Buses },
  path: Path,
  report: PlanReport,
): PortPlan | null {
  if (sensor.replay !== undefined) {
    const { file, speed, repeat } = sensor.replay;
    return { is: "replay", file, speed, repeat };
  }
  for (const [key, kind] of PORT_KINDS) {
    if (sensor[key] === undefined || driver.port === kind) continue;
    report.error([...path, key], `does not fit: driver ${driver.name} ${standsOn(driver)}`, "key");
    return null;
  }
  switch (driver.port) {
    case "serial":
      return planSerial(sensor, driver, path, report);
    case "gpio":
      return planGpio(sensor, driver, path, report);
    case "simulator":
      return { is: "simulator" };
    case "modbus":
      if (sensor.bus === undefined) {
        missingPort("bus", driver, path, report);
        return null;
      }
      return planUnit(sensor, { driver, options, buses }, path, report);
    case "file":
      return planFile(sensor, driver, path, report);
  }
}

const PORT_KINDS = [
  ["serial", "serial"],
  ["gpio", "gpio"],
  ["file", "file"],
  ["bus", "modbus"],
] as const;

function standsOn(driver: Driver): string {
  if (driver.port === "simulator") return "has no port";
  if (driver.port === "serial") return "needs serial: { path: /dev/serial/by-id/… }";
  if (driver.port === "gpio") return "needs gpio: { line: GPIO17, edge: falling }";
  if (driver.port === "modbus") return "needs bus: rs485-1, unit: 3";
  return "needs file: { path: /sys/bus/w1/devices/28-… }";
}

function missingPort(key: "serial" | "gpio" | "file" | "bus", driver: Driver, path: Path, report: PlanReport): void {
  if (["serial", "gpio", "file", "bus", "replay"].some((port) => report.isCut([...path, port]))) return;
  report.error([...path, key], `is missing: driver ${driver.name} ${standsOn(driver)}, or replay: { file: … }`);
}

function planSerial(sensor: SensorConfig, driver: Driver, path: Path, report: PlanReport): PortPlan | null {
  if (sensor.serial === undefined) {
    missingPort("serial", driver, path, report);
    return null;
  }
  const baudRate = sensor.serial.baud ?? driver.serial?.baudRate;
  if (baudRate === undefined) {
    report.error([...path, "serial", "baud"], `is missing: driver ${driver.name} does not know the rate of its devices`);
    return null;
  }
  warnOfMovingName(sensor.serial.path, [...path, "serial", "path"], report);
  return { is: "serial", path: sensor.serial.path, settings: { ...driver.serial, baudRate } };
}

function planFile(sensor: SensorConfig, driver: Driver, path: Path, report: PlanReport): PortPlan | null {
  if (sensor.file === undefined) {
    missingPort("file", driver, path, report);
    return null;
  }
  if (!sensor.file.path.startsWith("/")) {
    report.error([...path, "file", "path"], "must be a whole path, such as /sys/bus/w1/devices/28-…");
    return null;
  }
  return { is: "file", path: sensor.file.path };
}

/** The kernel numbers adapters in the order in which it meets them. */
export function warnOfMovingName(device: string, path: Path, report: PlanReport): void {
  if (!/^\/dev\/tty(?:USB|ACM)\d+$/.test(device)) return;
  report.warning(path, "is a name that can move to another device at a reboot: use /dev/serial/by-id/… or by-path/…");
}

type GpioConfig = NonNullable<SensorConfig["gpio"]>;
type LineConfig = NonNullable<GpioConfig["lines"]>[string];

function planGpio(sensor: SensorConfig, driver: Driver, path: Path, report: PlanReport): PortPlan | null {
  const names = driver.lines ?? [ONLY_LINE];
  if (sensor.gpio === undefined) {
    missingPort("gpio", driver, path, report);
    return null;
  }
  const gpioPath = [...path, "gpio"];
  const { line, chip, edge, pull, debounce, lines } = sensor.gpio;
  if (lines === undefined) {
    const [only, ...more] = names;
    if (only === undefined || more.length > 0) {
      report.error(gpioPath, `must name the lines of driver ${driver.name}: lines: with ${listed(names, "and")}`, "key");
      return null;
    }
    // The schema refuses a gpio port without line or edge; a file that was cut may lack them.
    if (line === undefined || edge === undefined) return null;
    return { is: "gpio", lines: { [only]: planLine({ line, chip, edge, pull, debounce }) } };
  }
  for (const name of Object.keys(lines)) {
    if (names.includes(name)) continue;
    const allowed = `is not a line of driver ${driver.name}: its lines are ${listed(names, "and")}`;
    report.error([...gpioPath, "lines", name], allowed + didYouMean(name, names), "key");
  }
  for (const name of names) {
    if (!Object.hasOwn(lines, name)) report.error([...gpioPath, "lines", name], `is missing: driver ${driver.name} needs it`);
  }
  return { is: "gpio", lines: Object.fromEntries(Object.entries(lines).map(([name, config]) => [name, planLine(config)])) };
}

function planLine({ line, chip, edge, pull, debounce }: LineConfig): GpioLine {
  const where = typeof line === "number" ? { chip: chip ?? "", offset: line } : { name: line };
  return { line: where, edge, pull, debounceMs: debounce };
}

/** Sensors and buses stand in maps of their own: `["buses", "rs485-1"]`. */
const holderName = (holder: Path): string => `${holder[0] === "buses" ? "bus" : "sensor"} ${holder.at(-1)}`;

/** Enters the lines of all buses, which no sensor may have for itself. */
export function takeBuses(buses: Buses, taken: PortsTaken, report: PlanReport): void {
  for (const [name, { serial }] of Object.entries(buses)) {
    const path = ["buses", name, "serial", "path"];
    const holder = taken.get(`serial ${serial.path}`);
    if (holder === undefined) taken.set(`serial ${serial.path}`, ["buses", name]);
    else report.error(path, `belongs to ${holderName(holder)} already (line ${report.lineOf(holder)} of this file)`);
    warnOfMovingName(serial.path, path, report);
  }
}

/** Who holds what, so that no two enabled sensors share a device: device → path of the sensor that has it. */
export type PortsTaken = Map<string, Path>;

/** Enters the port of an enabled sensor, and reports when another has it already. */
export function takePort(port: PortPlan, sensor: SensorConfig, path: Path, taken: PortsTaken, report: PlanReport): void {
  const take = (device: string, where: Path) => {
    const holder = taken.get(device);
    if (holder === undefined) taken.set(device, path);
    else report.error(where, `belongs to ${holderName(holder)} already (line ${report.lineOf(holder)} of this file)`);
  };
  if (port.is === "modbus") take(`bus ${port.bus} unit ${port.unit}`, [...path, "unit"]);
  if (port.is === "serial") take(`serial ${port.path}`, [...path, "serial", "path"]);
  if (port.is === "file") take(`file ${port.path}`, [...path, "file", "path"]);
  if (port.is !== "gpio") return;
  for (const [name, { line }] of Object.entries(port.lines)) {
    const within = sensor.gpio?.lines === undefined ? ["line"] : ["lines", name, "line"];
    take("name" in line ? `line ${line.name}` : `chip ${line.chip} ${line.offset}`, [...path, "gpio", ...within]);
  }
}
