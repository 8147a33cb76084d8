import { z } from "zod";
import { ID_PATTERN, idProblem, RESERVED_IDS } from "../core/units/ids.ts";
import { DAY_MS, type DurationMs, durationMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../core/units/time.ts";
import type { SecretRef } from "./plan.ts";
import { didYouMean, listed } from "./suggest.ts";
import { mustBe } from "./wording.ts";

// The kinds of value that the file is made of. Each says in its own error what is allowed; `title` is its name in the reference.

type RawIssue = z.core.$ZodRawIssue;
const saying = (what: string) => (issue: RawIssue) => mustBe(what, issue.input);

const DURATION_UNITS_MS = { ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS } as const;
const DURATION_PATTERN = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/;
const SPOKEN_UNITS: readonly (readonly [RegExp, string])[] = [
  [/^(?:milliseconds?|msecs?)$/i, "ms"],
  [/^(?:seconds?|secs?|S)$/i, "s"],
  [/^(?:minutes?|mins?)$/i, "m"],
  [/^(?:hours?|hrs?|H)$/i, "h"],
  [/^(?:days?|D)$/i, "d"],
];

/** Reads `500ms`, `30s`, `15m`, `1h`, `30d`; null when it is not of that form. */
export function parseDuration(text: string): DurationMs | null {
  const [, count, unit] = DURATION_PATTERN.exec(text) ?? [];
  if (count === undefined || unit === undefined) return null;
  return durationMs(Number(count) * DURATION_UNITS_MS[unit as keyof typeof DURATION_UNITS_MS]);
}

/** A duration as the file writes it: in the largest unit that divides it. */
export function durationText(length: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (length > 0 && length % DURATION_UNITS_MS[unit] === 0) return `${length / DURATION_UNITS_MS[unit]}${unit}`;
  }
  return length === 0 ? "0s" : `${length}ms`;
}

/** `15min` and `15 m` are understood well enough to say what they should have been. */
function meantDuration(input: unknown): string {
  const [, count, word] = (typeof input === "string" && /^\s*(\d{1,9})\s*([a-z]+)\s*$/i.exec(input)) || [];
  if (count === undefined || word === undefined) return "";
  const unit = word in DURATION_UNITS_MS ? word : SPOKEN_UNITS.find(([spoken]) => spoken.test(word))?.[1];
  return unit === undefined ? "" : `; did you mean ${Number(count)}${unit}?`;
}

/** A length of time from `min` to `max`, both as the file writes them. */
export function duration(min: string, max: string) {
  const error = ({ input }: { input?: unknown }) =>
    `${mustBe("a duration such as 500ms, 30s, 15m, 1h or 30d", input)}${meantDuration(input)}`;
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  return z
    .string({ error })
    .regex(DURATION_PATTERN, { error, abort: true })
    .meta({ title: `duration, ${min} to ${max}` })
    .transform((text, context): DurationMs => {
      const length = parseDuration(text) ?? durationMs(Number.NaN);
      if (length >= least && length <= most) return length;
      context.issues.push({ code: "custom", input: text, message: mustBe(`from ${min} to ${max}`, text) });
      return z.NEVER;
    });
}

// Decimal, as SI and disk makers count: 1 KB is 1,000 bytes.
const SIZE_UNITS_BYTES = { B: 1, KB: 1_000, MB: 1_000_000, GB: 1_000_000_000 } as const;
const SIZE_PATTERN = /^(0|[1-9][0-9]{0,5})(B|KB|MB|GB)$/;

/** Reads `64KB`, `256MB`; null when it is not of that form. */
export function parseSize(text: string): number | null {
  const [, count, unit] = SIZE_PATTERN.exec(text) ?? [];
  if (count === undefined || unit === undefined) return null;
  return Number(count) * SIZE_UNITS_BYTES[unit as keyof typeof SIZE_UNITS_BYTES];
}

/** A number of bytes from `min` to `max`, both as the file writes them. */
export function size(min: string, max: string) {
  const error = saying("a size such as 64KB or 256MB (KB, MB and GB are thousands)");
  const [least, most] = [parseSize(min) ?? 0, parseSize(max) ?? 0];
  return z
    .string({ error })
    .regex(SIZE_PATTERN, { error, abort: true })
    .meta({ title: `size, ${min} to ${max}` })
    .transform((text, context): number => {
      const bytes = parseSize(text) ?? Number.NaN;
      if (bytes >= least && bytes <= most) return bytes;
      context.issues.push({ code: "custom", input: text, message: mustBe(`from ${min} to ${max}`, text) });
      return z.NEVER;
    });
}

/** A number within limits, both included. */
export function number(min: number, max: number, unit: string) {
  const error = saying(`a number from ${min} to ${max}${unit === "" ? "" : ` (${unit})`}`);
  return z
    .number({ error })
    .min(min, { error })
    .max(max, { error })
    .meta({ title: `number, ${min} to ${max}${unit === "" ? "" : ` ${unit}`}` });
}

/** A whole number within limits, both included. */
export function integer(min: number, max: number) {
  const error = saying(`a whole number from ${min} to ${max}`);
  return z
    .int({ error })
    .min(min, { error })
    .max(max, { error })
    .meta({ title: `whole number, ${min} to ${max}` });
}

/** One of a few numbers. */
export function oneOfNumbers<const Values extends readonly [number, ...number[]]>(values: Values) {
  const error = ({ input }: { input?: unknown }) =>
    `${mustBe(listed(values), input)}${typeof input === "number" ? didYouMean(String(input), values.map(String)) : ""}`;
  return z.literal(values, { error });
}

const TEXT_CHARS_MAX = 500;

/** Text that people read. */
export const text = () => z.string().min(1, "must not be empty").max(TEXT_CHARS_MAX).meta({ title: "text" });

/** A file or folder. A relative path starts at the folder of the configuration file. */
export const path = () => z.string().min(1, "must not be empty").max(4_096).meta({ title: "path" });

/** An id: one topic level on every broker. */
export function id() {
  const error = (issue: RawIssue) => (typeof issue.input === "string" ? `cannot be an id: ${idProblem(issue.input)}` : undefined);
  return z
    .string({ error })
    .regex(ID_PATTERN, { error, abort: true })
    .refine((name) => !RESERVED_IDS.includes(name), { error })
    .meta({ title: "id" });
}

/** The name of a driver, which is the name of its folder. */
export function driverName() {
  const error = saying("the name of a driver, such as sds011");
  return z.string({ error }).regex(ID_PATTERN, { error }).meta({ title: "driver name" });
}

/** A day. */
export function day() {
  const error = saying("a day such as 2026-11-23");
  return z
    .string({ error })
    .regex(/^\d{4}-\d{2}-\d{2}$/, { error, abort: true })
    .refine(isDay, { error })
    .meta({ title: "day" });
}

function isDay(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

// Six decimals at most, so that a comparison as a float is exact; the text itself goes on (CONTRACT §5, decimals).
const DECIMAL_PATTERN = /^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$/;

/** A decimal number above zero, kept as its source text. */
export function decimal(max: number) {
  const error = saying(`a decimal number above 0, at most ${max}, with at most 6 decimals`);
  return (
    z
      .string({ error })
      .regex(DECIMAL_PATTERN, { error, abort: true })
      .refine((text) => Number(text) > 0 && Number(text) <= max, { error })
      // An editor reads the file through a float; only here is the source text looked at.
      .meta({ title: "decimal number", type: ["number", "string"] })
  );
}

const credentialRef = z.strictObject({ credential: z.string().regex(/^[A-Za-z0-9_.-]{1,255}$/) });
const fileRef = z.strictObject({ file: z.string().min(1) });
const envRef = z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) });
const REFERENCE_FORMS = "{ credential: NAME }, { file: PATH } or { env: NAME }";

/** Where a secret is found. The secret itself is refused, and never repeated in a message. */
export function secret() {
  const error = ({ input }: { input?: unknown }) => {
    if (typeof input === "string" || typeof input === "number") return `is a literal secret, which is refused: write ${REFERENCE_FORMS}`;
    return `${input === undefined || input === null ? "is missing: must be" : "must be one of"} ${REFERENCE_FORMS}`;
  };
  return z
    .union([credentialRef, fileRef, envRef], { error })
    .meta({ title: "secret" })
    .transform((ref): SecretRef => ref);
}

/** Text, or where it is found. */
export function textOrReference(title: string) {
  const error = () => `must be text, or one of ${REFERENCE_FORMS}`;
  return z.union([z.string().min(1), credentialRef, fileRef, envRef], { error }).meta({ title });
}

/** A key that is reserved for what is not built yet. */
export function notYet(what: string) {
  return z
    .never({ error: `not yet: ${what}` })
    .optional()
    .meta({ title: "reserved", description: `(later) ${what}` });
}
