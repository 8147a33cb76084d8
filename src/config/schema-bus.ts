import { z } from "zod";
import { UNIT_MAX } from "../core/framing/modbus-rtu.ts";
import { BAUD_RATES } from "./schema-port.ts";
import { id, integer, oneOfNumbers, path } from "./values.ts";

/** Most buses of one node: a board has a few serial lines, a USB hub some more. */
const BUSES_MAX = 64;

/** The line of a bus. Eight data bits always (Modbus over serial line V1.02 §2.5.1). */
const busLineSchema = z.strictObject({
  path: path().meta({
    description: "The adapter by a name that stays the same over reboots: /dev/serial/by-id/… or /dev/serial/by-path/…",
    examples: ["/dev/serial/by-id/usb-FTDI_USB-RS485_Cable_FT4X1-if00-port0"],
  }),
  baud: oneOfNumbers(BAUD_RATES).meta({
    title: "baud rate",
    description: "Bits per second, one of the usual rates from 300 to 921600: what every unit of the bus is set to.",
    examples: [9_600],
  }),
  parity: z
    .enum(["none", "even", "odd"])
    .default("none")
    .meta({ title: "choice", description: "What every unit of the bus is set to.", examples: ["even"] }),
  stopBits: oneOfNumbers([1, 2])
    .default(1)
    .meta({ title: "1 or 2", description: "What every unit of the bus is set to.", examples: [1] }),
});

/** `buses`: serial lines that several sensors share. */
export const busesSchema = z
  .record(id(), z.strictObject({ serial: busLineSchema.meta({ description: "Its line.", examples: [{ path: "/dev/…", baud: 9_600 }] }) }))
  .refine((buses) => Object.keys(buses).length <= BUSES_MAX, `must be at most ${BUSES_MAX} buses`)
  .default({})
  .meta({
    description: "RS485 lines that several sensors share (Modbus RTU), by the operator's name.",
    examples: [{ "rs485-1": { serial: { path: "/dev/serial/by-id/usb-FTDI_USB-RS485_Cable_FT4X1-if00-port0", baud: 9_600 } } }],
  });

/** The keys of a sensor on a bus. */
export const busShape = {
  bus: id()
    .optional()
    .meta({ description: "It is a unit of this bus, one of buses:.", examples: ["rs485-1"] }),
  unit: integer(1, UNIT_MAX)
    .optional()
    .meta({ description: "With bus: its address there, which it alone has.", examples: [3] }),
};

/** `bus` and `unit` go together. */
export function checkUnit(sensor: { bus?: string | undefined; unit?: number | undefined }, context: z.core.$RefinementCtx): void {
  const complain = (key: string, message: string): void => context.addIssue({ code: "custom", path: [key], message });
  if (sensor.bus !== undefined && sensor.unit === undefined) complain("unit", `is missing: must be a whole number from 1 to ${UNIT_MAX}`);
  if (sensor.unit !== undefined && sensor.bus === undefined) complain("unit", "goes with bus: only");
}
