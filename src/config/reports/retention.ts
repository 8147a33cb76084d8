import { HOUR_MS } from "../../core/units/time.ts";
import { REPLAY_HOURS } from "../explain.ts";
import type { NodePlan } from "../plan.ts";
import { longestKept, streamsAboutPeople } from "./facts.ts";
import { durationWords, type Language } from "./words.ts";

/** Where a window cannot be closed, or there is no clock, readings of people go after this long (`PEOPLE_WAIT_MS_MAX` of the runtime). */
export const PEOPLE_WAIT_LONGEST_MS = HOUR_MS;

/** Where what is kept on the node, and for how long. */
export interface Kept {
  readonly what: string;
  readonly where: string;
  readonly howLong: string;
  /** `log`: it holds nothing that was measured. */
  readonly about: "readings" | "statistics" | "log";
}

/** What the node keeps that has to do with people; readings first. */
export function retentionFacts(plan: NodePlan, language: Language): readonly Kept[] {
  const { storage } = plan;
  const isDutch = language === "nl";
  const longest = longestKept(plan);
  const rows: Kept[] = [];
  if (longest !== null) {
    const [window, lateness] = [durationWords(longest.windowMs, language), durationWords(longest.latenessMs, language)];
    const late = { nl: "lukt dat niet (klok, opslag), dan hoogstens", en: "where that fails (clock, storage)" };
    const longer = durationWords(PEOPLE_WAIT_LONGEST_MS, language);
    rows.push({
      about: "readings",
      what: isDutch ? "metingen van mensen" : "readings of people",
      where: isDutch ? "geheugen van de node, nooit op schijf" : "memory of the node, never a disk",
      howLong: isDutch
        ? `tot hun tijdvak (ten hoogste ${window}) gesloten is, ${lateness} na afloop; ${late.nl} ${longer} langer`
        : `until their window (${window} at most) is closed, ${lateness} after its end; ${late.en} ${longer} more at most`,
    });
  }
  const waiting = durationWords(storage.outbox.maxAgeMs, language);
  const kept = durationWords(storage.egress.keepMs, language);
  rows.push(
    {
      about: "statistics",
      what: isDutch ? "statistiek op de node" : "statistics on the node",
      where: isDutch ? "opslag van de node" : "storage of the node",
      howLong: isDutch
        ? `tot de broker haar heeft, en ${REPLAY_HOURS} uur langer; zonder broker ten hoogste ${waiting}`
        : `until the broker has them, and ${REPLAY_HOURS} hours longer; without a broker ${waiting} at most`,
    },
    {
      about: "log",
      what: isDutch ? "logboek van wat wanneer naar welk adres ging" : "log of what left, when, to which address",
      where: isDutch ? "opslag van de node" : "storage of the node",
      howLong: kept,
    },
  );
  if (streamsAboutPeople(plan).some(({ policy }) => policy.is === "noised")) {
    rows.push({
      about: "log",
      what: isDutch ? "kasboek van het privacybudget, zonder aantallen" : "ledger of the privacy budget, without any count",
      where: isDutch ? "opslag van de node" : "storage of the node",
      howLong: kept,
    });
  }
  return rows;
}
