import type { BusEvent, Driver, DriverApi, SessionSink } from "../../src/driver-api/index.ts";

interface Options {
  readonly quantity: string;
  readonly activeHigh: boolean;
}

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
/** Indices into the states of the quantity: at rest (closed, dry), and active (open, wet). */
const AT_REST = 0;
const ACTIVE = 1;

/** A switch on a GPIO line: a door contact, a water probe. Needs `gpio.edge: both`. */
export default ({ z, findQuantity }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "contact",
  summary: "A switch on a GPIO line: cabinet doors, water probes",
  testedWith: "constructed edges",
  port: "gpio",
  options: z
    .strictObject({
      quantity: z
        .string()
        .refine((name) => findQuantity(name)?.states?.length === 2, "must be a quantity of two states, such as cabinet_door")
        .describe("What the contact tells, from the vocabulary; also the name of the channel."),
      activeHigh: z
        .boolean()
        .default(true)
        .describe(
          "true: a high level is the second state (open, wet), as with a door switch to ground and a pull-up. false: a low level is.",
        ),
    })
    .meta({ examples: [{ quantity: "cabinet_door" }] }),
  channels: ({ quantity }) => [
    {
      name: quantity,
      quantity,
      unit: "1",
      range: [AT_REST, ACTIVE],
      resolution: 1,
      sensitivity: findQuantity(quantity)?.floor ?? "presence",
    },
  ],
  start: ({ quantity, activeHigh }) => {
    const level = (high: boolean, out: SessionSink): void => out.reading(quantity, high === activeHigh ? ACTIVE : AT_REST);
    return {
      handle: (event: BusEvent, out: SessionSink) => {
        if (event.type === "edge" && event.line === LINE) level(event.rising, out);
        else if (event.type === "opened") {
          out.expect(null);
          // The state that holds until the first edge; where the backend cannot read the level, it stays unknown.
          const high = event.settings.lines?.[LINE]?.high ?? null;
          if (high !== null) level(high, out);
        }
      },
    };
  },
});
