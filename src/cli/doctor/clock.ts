import { createSystemClock } from "../../adapters/system-clock.ts";
import { problemEntry } from "../../core/events/problems.ts";
import { judge, type Testimony, type TimeSource } from "../../core/machine/testimony.ts";
import { nobodyVouches } from "../clock-words.ts";
import { advice, broken, type Finding, ok } from "./finding.ts";

/** Problems by which a running node doubts a clock that others vouch for, the worst first: it remembers what was trusted before. */
const DOUBTS = ["CLOCK_WENT_BACK", "TIME_UNTRUSTED", "CLOCK_LEAPT"] as const;

/** Looks at the clock of the machine. `standing`: codes of the problems that the running node has; none where there is no node. */
export async function examineClock(source: TimeSource, standing: readonly string[]): Promise<Finding> {
  return judgeClock(source, await createSystemClock().testimonies(), standing);
}

/** What is to be said of a clock. A node that runs knows more than the witnesses, and who vouches for nothing has words of its own. */
export function judgeClock(source: TimeSource, testimonies: readonly Testimony[], standing: readonly string[]): Finding {
  const seen = judgeWitnesses(source, testimonies);
  const doubt = DOUBTS.find((code) => standing.includes(code));
  if (doubt === undefined || (seen.verdict !== "ok" && doubt !== "CLOCK_WENT_BACK")) return seen;
  const { health, meaning, remedy } = problemEntry(doubt);
  return (health === "failing" ? broken : advice)("clock", `the node says ${doubt}: ${meaning}`, remedy);
}

function judgeWitnesses(source: TimeSource, testimonies: readonly Testimony[]): Finding {
  const { by, isContradicted } = judge(source, testimonies);
  if (by !== null) return ok("clock", by === "synced" ? "synchronised" : `vouched for by ${by}`);
  if (isContradicted) {
    const said = testimonies.map(({ witness, says }) => `${witness} says ${says}`).join(", ");
    const remedy = "wait for the time service, or look at the clock: stoep time --accept";
    return broken("clock", `those who can be asked disagree: ${said}`, remedy);
  }
  const { says, remedy } = nobodyVouches(source);
  return broken("clock", `${says}; without a trusted clock readings wait and nothing is published`, remedy);
}
