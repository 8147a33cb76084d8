import { readdir } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { createGpioTools } from "../../adapters/gpio/gpio-tools.ts";
import { readSysfsChips, SYSFS_GPIO } from "../../adapters/gpio/sysfs-chips.ts";
import { type PathFacts, pathFacts } from "../../adapters/port-facts.ts";
import type { SensorPlan } from "../../config/plan.ts";
import type { LocalSensor } from "../../runtime/status.ts";
import { advice, broken, type Finding, ok, skipped } from "./finding.ts";

/** Looks at the ports of sensors: through the running node where there is one, else without opening them. */
export async function examinePorts(
  sensors: readonly SensorPlan[],
  running: Readonly<Record<string, LocalSensor>> | null,
): Promise<readonly Finding[]> {
  const enabled = sensors.filter((sensor) => sensor.enabled);
  if (running !== null) return enabled.map((sensor) => asTheNodeSays(sensor, running[sensor.id]));
  const findings = await Promise.all([...enabled.map(examine), ...examineBuses(enabled)]);
  const gpio = enabled.some(({ port }) => port.is === "gpio") ? [await examineGpio()] : [];
  return [...findings.flat(), ...gpio];
}

function asTheNodeSays(sensor: SensorPlan, local: LocalSensor | undefined): Finding {
  const what = `sensor ${sensor.id}`;
  if (local === undefined) return broken(what, "the running node does not know it", "restart the node: it runs with an older file");
  const { state, trouble, balanced } = local;
  if (!balanced) return broken(what, "its counters do not balance", "this is a bug of Stoep: send `stoep status --json` to its makers");
  if (trouble === null && (state === "ok" || state === "disabled")) return ok(what, `${state}, says the running node`);
  return broken(what, `${state}${trouble === null ? "" : `: ${trouble}`}, says the running node`, REMEDY_OF_STATE);
}

const REMEDY_OF_STATE = "journalctl -u stoep -g Sensor tells what happened and what to do; check its cable and its power";

async function examine(sensor: SensorPlan): Promise<readonly Finding[]> {
  const { id, port } = sensor;
  const what = `sensor ${id}`;
  if (port.is === "file") return [await judgeFolder(what, port.path, userInfo().username)];
  if (port.is !== "serial") return [];
  const { path } = port;
  return [judgePath(what, path, await pathFacts(path), userInfo().username)];
}

/** Whether the kernel shows a device in this folder, to this user. */
export async function judgeFolder(what: string, path: string, user: string): Promise<Finding> {
  try {
    const names = await readdir(path);
    if (names.length > 0) return ok(what, `${path} is there, and ${user} may read it`);
    return broken(what, `${path} is empty`, "name the folder of the device: ls /sys/bus/w1/devices shows those of 1-Wire");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES")
      return broken(what, `${user} may not read ${path}`, `let ${user} read it: a udev rule, or the mode of the folder`);
    if (code === "ENOTDIR") return broken(what, `${path} is no folder`, "name the folder of the device, not a file in it");
    const remedy = `check cable and power: ls ${dirname(path)} shows what the kernel sees`;
    return broken(what, `there is no ${path}`, `${remedy}. On a Pi 1-Wire needs dtoverlay=w1-gpio in config.txt`);
  }
}

/** Each bus once, however many sensors are on it. */
function examineBuses(sensors: readonly SensorPlan[]): readonly Promise<readonly Finding[]>[] {
  const buses = new Map(sensors.flatMap(({ port }) => (port.is === "modbus" ? [[port.bus, port.path] as const] : [])));
  return [...buses].map(async ([bus, path]) => [judgePath(`bus ${bus}`, path, await pathFacts(path), userInfo().username)]);
}

/** What the facts about a serial path mean for a sensor. */
export function judgePath(what: string, path: string, facts: PathFacts, user: string): Finding {
  const { device, isCharacterDevice, isOurs, group, holders, isConsole } = facts;
  if (device === null) {
    return broken(what, `there is no ${path}`, "check cable and power; ls -l /dev/serial/by-id /dev/serial/by-path shows what there is");
  }
  if (!isCharacterDevice) return broken(what, `${path} is no device`, "name a serial port");
  if (!isOurs) {
    return broken(what, `${user} may not open ${device}`, `sudo usermod -aG ${group} ${user}, and log in again (as a service: restart it)`);
  }
  if (isConsole) {
    const remedy = "switch the serial console off: raspi-config, Interface, Serial; or take console= out of the kernel command line";
    return broken(what, `the kernel writes its console to ${device}`, remedy);
  }
  if (holders.length > 0) {
    return broken(what, `${device} is held by ${holders.join(", ")}`, "stop that program, or keep it from this port with a udev rule");
  }
  if (/^\/dev\/tty(USB|ACM)\d+$/.test(path)) {
    const remedy = `use a name of /dev/serial/by-id or /dev/serial/by-path: ${path} can be another adapter after the next start`;
    return advice(what, `${path} is there, and ${user} may open it`, remedy);
  }
  return ok(what, `${path} is there, and ${user} may open it`);
}

async function examineGpio(): Promise<Finding> {
  const answer = await createGpioTools(process.env.PATH ?? "").ask(["gpiomon", "--version"]);
  if (answer.is === "answered") return ok("gpio", answer.stdout.split("\n")[0] ?? "gpiomon");
  const chips = await readSysfsChips(SYSFS_GPIO);
  const remedy = "apt install gpiod: without it edges have no time stamps of the kernel, and fast ones are lost";
  if (chips.length > 0) return advice("gpio", `no gpiomon; ${chips.length} chips in sysfs`, remedy);
  return skipped("gpio", "no gpiomon, and no chips in sysfs", remedy);
}
