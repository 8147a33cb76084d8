import type { z } from "zod";
import { didYouMean, listed } from "./suggest.ts";

/** Longest stretch of a value that a message repeats. */
const SHOWN_CHARS_MAX = 40;

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > SHOWN_CHARS_MAX ? `${value.slice(0, SHOWN_CHARS_MAX)}…` : value);
  }
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  return String(value);
}

/** `must be X, got Y` for a value that is there, `is missing` and `is empty` for one that is not. */
export function mustBe(what: string, value: unknown): string {
  if (value === undefined) return `is missing: must be ${what}`;
  if (value === null) return `is empty: must be ${what}`;
  return `must be ${what}, got ${shown(value)}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map of keys and values",
  record: "a map of keys and values",
  array: "a list",
};

type RawIssue = z.core.$ZodRawIssue;

/**
 * What zod found, in the words of an operator. It is the error map of one parse, so a message that a schema brings itself
 * (ours or a driver's) comes first.
 */
export function wordIssue(issue: RawIssue): string {
  switch (issue.code) {
    case "invalid_type": {
      const what = TYPE_NAMES[issue.expected] ?? issue.expected;
      const quotable = issue.expected === "string" && (typeof issue.input === "number" || typeof issue.input === "boolean");
      return mustBe(what, issue.input) + (quotable ? "; put it in quotes to make it text" : "");
    }
    case "invalid_value": {
      const allowed = issue.values.map(String);
      const guess = typeof issue.input === "string" ? didYouMean(issue.input, allowed) : "";
      return mustBe(listed(allowed), issue.input) + guess;
    }
    case "too_small":
      return `must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${measure(issue.origin)}${got(issue)}`;
    case "too_big":
      return `must be ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${measure(issue.origin)}${got(issue)}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}${got(issue)}`;
    case "invalid_format":
      return `does not have the form that is asked for (${issue.format})${got(issue)}`;
    case "invalid_union":
      return `fits none of the forms that are allowed${got(issue)}`;
    default:
      return issue.message ?? `is not allowed${got(issue)}`;
  }
}

function measure(origin: string): string {
  if (origin === "string") return " characters long";
  if (origin === "array" || origin === "set") return " items long";
  return "";
}

const got = (issue: RawIssue): string => `, got ${shown(issue.input)}`;
