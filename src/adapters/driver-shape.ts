import { z } from "zod";

const callable = z.custom<unknown>((value) => typeof value === "function", "must be a function");

const SHAPE = z.object({
  name: z.string(),
  summary: z.string().min(1),
  port: z.enum(["serial", "gpio", "modbus", "file", "simulator"]),
  serial: z
    .object({
      baudRate: z.int().positive(),
      dataBits: z.literal([7, 8]).optional(),
      parity: z.enum(["none", "even", "odd"]).optional(),
      stopBits: z.literal([1, 2]).optional(),
    })
    .optional(),
  lines: z.array(z.string().min(1)).min(1).optional(),
  generic: z.boolean().optional(),
  testedWith: z.string().min(1).optional(),
  unchecked: z.string().min(1).optional(),
  options: z.custom<unknown>((value) => value instanceof z.ZodType, "must be a zod schema made with api.z"),
  channels: callable,
  start: callable,
});

/** What is missing for a value to be the driver of this name, or null. */
export function driverShapeProblem(value: unknown, name: string): string | null {
  const result = SHAPE.safeParse(value);
  if (!result.success) return result.error.issues.map(({ path, message }) => `${path.join(".") || "driver"}: ${message}`).join("; ");
  if (result.data.name !== name) return `its name is "${result.data.name}", its folder "${name}"`;
  if (result.data.port === "serial" && result.data.serial === undefined) return "a serial driver names its baud rate in `serial`";
  return null;
}
