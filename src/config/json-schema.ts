import { z } from "zod";
import type { Path } from "./problem.ts";

/** The part of JSON Schema that zod writes and that we read. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly not?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
}

/** JSON Schema of what a file may hold, before defaults. What it cannot say (a driver's refinements) is left open. */
export function inputSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    // zod leaves examples out where a value is transformed, since they could be of the output; ours are as the file writes them.
    override: ({ zodSchema, jsonSchema }) => {
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  }) as JsonSchema;
}

/** Whether the key is reserved: it stands in the schema only to be refused with a reason. */
export const isReserved = (schema: JsonSchema): boolean => schema.not !== undefined && Object.keys(schema.not).length === 0;

/** The keys that are allowed in the map at `path`. */
export function keysAllowedAt(schema: JsonSchema, path: Path): readonly string[] {
  let at: JsonSchema | undefined = schema;
  for (const step of path) {
    const others: JsonSchema | undefined = typeof at?.additionalProperties === "object" ? at.additionalProperties : undefined;
    at = typeof step === "number" ? at?.items : (at?.properties?.[step] ?? others);
  }
  return Object.entries(at?.properties ?? {})
    .filter(([, property]) => !isReserved(property))
    .map(([key]) => key);
}
