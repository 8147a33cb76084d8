import { table } from "../command.ts";

/** `ok`, something that works but should be better, something that is broken, or something that could not be looked at. */
export type Verdict = "ok" | "advice" | "broken" | "skipped";

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: `clock`, `sensor air-1`, `broker`. */
  readonly what: string;
  readonly verdict: Verdict;
  /** What was found, in one line. */
  readonly says: string;
  /** What to do about it; null when nothing is to be done. */
  readonly remedy: string | null;
}

export const ok = (what: string, says: string): Finding => ({ what, verdict: "ok", says, remedy: null });
export const advice = (what: string, says: string, remedy: string): Finding => ({ what, verdict: "advice", says, remedy });
export const broken = (what: string, says: string, remedy: string): Finding => ({ what, verdict: "broken", says, remedy });
/** `remedy`: how it could be looked at after all. */
export const skipped = (what: string, says: string, remedy: string | null = null): Finding => ({ what, verdict: "skipped", says, remedy });

const MARKS: Readonly<Record<Verdict, string>> = { ok: "ok", advice: "ADVICE", broken: "BROKEN", skipped: "-" };

/** What the worst verdict means for a script: CONTRACT §6 has 0, 1 and 2 for `status --check`, and this is the same scale. */
export function exitOf(findings: readonly Finding[]): 0 | 1 | 2 {
  if (findings.some(({ verdict }) => verdict === "broken")) return 2;
  return findings.some(({ verdict }) => verdict === "advice") ? 1 : 0;
}

/** The findings as text, each with its remedy below it, and a last line that sums up. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.flatMap(({ what, verdict, says, remedy }) => {
    const [line = ""] = table([[`${MARKS[verdict].padEnd(6)}  ${what.padEnd(width)}`, says]]);
    return remedy === null ? [line] : [line, `${" ".repeat(width + 12)}What to do: ${remedy}`];
  });
  return [...lines, "", verdictOf(findings), ""].join("\n");
}

function verdictOf(findings: readonly Finding[]): string {
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length;
  const [bad, better, unseen] = [count("broken"), count("advice"), count("skipped")];
  const rest = unseen === 0 ? "" : ` ${unseen} could not be looked at.`;
  if (bad + better === 0) return `All is well.${rest}`;
  return `${bad} broken, ${better} that should be better.${rest}`;
}
