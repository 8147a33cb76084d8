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
  process.env[LAB_OF_THIS_RUN] = JSON.stringify(found);
}
