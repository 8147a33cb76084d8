import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";

/**
 * A seed, printed so that a finding can be had again: `STOEP_SEED=123 npx vitest run FILE`. It comes from the tree that is tested: each
 * change has worlds that nobody has seen, and whoever tests the same tree sees the same ones. Outside a checkout it is drawn.
 */
export function announcedSeed(what: string): number {
  const given = process.env.STOEP_SEED;
  const seed = given === undefined ? (seedOfTree() ?? randomInt(2 ** 31)) : Number(given);
  console.log(`${what}: STOEP_SEED=${seed}`);
  return seed;
}

function seedOfTree(): number | null {
  try {
    const options = { cwd: import.meta.dirname, stdio: "pipe" } as const;
    const tree = execFileSync("git", ["rev-parse", "HEAD^{tree}"], options).toString();
    return Number.parseInt(tree.slice(0, 8), 16) % 2 ** 31;
  } catch {
    return null;
  }
}
