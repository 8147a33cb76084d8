import type { Driver } from "../driver-api/driver.ts";
import { parseGolden } from "../driver-api/golden.ts";
import { checkDeclaration } from "./driver-checks/declaration.ts";
import { type Conversation, type Evidence, type Finding, readConversations } from "./driver-checks/evidence.ts";
import { checkGolden } from "./driver-checks/golden.ts";
import { checkLineFaults } from "./driver-checks/line-faults.ts";
import { checkMemory } from "./driver-checks/memory.ts";
import { checkNoise } from "./driver-checks/noise.ts";
import { checkForeign, checkRandomInputs, checkUnknownEvents } from "./driver-checks/random.ts";
import { Seeded } from "./driver-checks/seeded.ts";

export type { Evidence, Finding, NamedText } from "./driver-checks/evidence.ts";

const RANDOM_INPUTS_DEFAULT = 100_000;
const MEMORY_BYTES_DEFAULT = 1_000_000;

/**
 * Everything that a driver must keep, tried on it: its golden files whole and in pieces, noise, random events, bounded memory,
 * silence about names it does not know and about devices that are not its own, and sane declarations. An empty list means that
 * nothing was found. The same seed finds the same. It reads no file and opens nothing, so drivers of any origin can be checked.
 */
export function checkDriver(driver: Driver, evidence: Evidence): readonly Finding[] {
  const findings: Finding[] = [];
  const random = new Seeded(evidence.seed);
  const golden = readConversations(driver, evidence.golden, findings);
  const captures = readConversations(driver, evidence.captures, findings);
  findings.push(...checkDeclaration(driver, golden), ...checkGolden(driver, golden, random));
  const own = [...captures, ...golden];
  const [first] = own;
  if (first === undefined) return findings;
  const foreign = foreignConversations(evidence);
  findings.push(
    ...checkUnknownEvents(driver, first),
    ...checkNoise(driver, own, random),
    ...checkForeign(driver, first.options, foreign),
    ...checkLineFaults(driver, own, foreign, random),
    ...checkRandomInputs(driver, own, evidence.randomInputs ?? RANDOM_INPUTS_DEFAULT, random),
    ...checkMemory(driver, own, evidence.memoryBytes ?? MEMORY_BYTES_DEFAULT, random),
  );
  return findings;
}

/** Captures of others, without their options: those mean nothing to this driver. Their own check reports what cannot be read. */
function foreignConversations({ foreignCaptures }: Evidence): Conversation[] {
  return foreignCaptures.flatMap(({ name, text }) => {
    const result = parseGolden(text);
    return result.ok ? [{ name, file: result.file, options: null, channels: [] }] : [];
  });
}
