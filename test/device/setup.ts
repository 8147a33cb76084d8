import { ensureGpiod, ensureLab, LAB_OF_THIS_RUN, type LabOfThisRun } from "./guest.ts";

/** vitest runs this once: what is not in the cache yet is built and fetched before there are tests that wait for it. */
export function setup(): void {
  const lab = ensureLab();
  const noTools = { path: "", why: lab.why };
  const found: LabOfThisRun = {
    lab,
    bookworm: lab.lab === null ? noTools : ensureGpiod("bookworm"),
    trixie: lab.lab === null ? noTools : ensureGpiod("trixie"),
  };
  // The name of a test that is skipped says why, but the reporter shows names of failures only.
  for (const why of new Set([lab.why, found.bookworm.why, found.trixie.why])) if (why !== "") console.warn(`test:device: skipped: ${why}`);
  process.env[LAB_OF_THIS_RUN] = JSON.stringify(found);
}
