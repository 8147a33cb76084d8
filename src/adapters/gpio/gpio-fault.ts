import type { PortEvent, PortFault } from "../../ports/field-port.ts";
import type { ToolAnswer } from "./gpio-tools.ts";

export type ClosedEvent = Extract<PortEvent, { type: "closed" }>;

const REMEDIES: Readonly<Record<PortFault, string>> = {
  gone: "Check the names with gpiodetect and gpioinfo, and that the chip is plugged in",
  permission: "Let the user that runs Stoep open /dev/gpiochip* and /sys/class/gpio: add it to the group gpio and start Stoep again",
  busy: "Give each line to one sensor, and stop what else holds it: gpioinfo names the consumer",
  settings: "Check line, edge and pull of the sensor: this chip cannot do them",
  io: "Look at the kernel log for the GPIO chip: journalctl -k",
  unsupported: "Install the package gpiod, or use a kernel that has GPIO",
  asked: "",
  ended: "",
};

/** A port that is closed for this reason; `remedy` where the usual one does not fit. */
export const gpioClosed = (code: PortFault, detail: string, remedy = REMEDIES[code]): ClosedEvent => ({
  type: "closed",
  code,
  detail,
  remedy,
});

/** What the words of a libgpiod tool or of the kernel mean to an operator. Tools are run with LC_ALL=C, so the words are fixed. */
export function gpioFault(detail: string): ClosedEvent {
  if (/resource busy/i.test(detail)) return gpioClosed("busy", detail);
  if (/permission denied|operation not permitted|EACCES|EPERM/i.test(detail)) return gpioClosed("permission", detail);
  if (/out of range|invalid|not unique|same line|not supported/i.test(detail)) return gpioClosed("settings", detail);
  if (/no such (file|device)|cannot find|ENOENT|ENODEV/i.test(detail)) return gpioClosed("gone", detail);
  return gpioClosed("io", detail);
}

/** Why a libgpiod tool said nothing. */
export function toolFault(answer: Exclude<ToolAnswer, { is: "answered" }>): ClosedEvent {
  if (answer.is === "missing") return gpioClosed("unsupported", "the libgpiod tools are not complete");
  return gpioClosed("io", answer.detail, RUN_REMEDY);
}

/** What to do when the system could not run a tool: nothing is wrong with the tool. */
export const RUN_REMEDY =
  "It is tried again. If it stays so, look at free memory and processes on this machine: free -m, systemctl status stoep";
