/** A longer word is not compared: nobody mistypes one into a key of ours. */
const WORD_LENGTH_MAX = 64;

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`: optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (last[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min(replaced, (last[column] as number) + 1, (current[column - 1] as number) + 1);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, (beforeLast[column - 2] as number) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] as number;
}

/** Shortest word that counts as the start of another. */
const START_LENGTH_MIN = 3;

/** The candidate that `word` was perhaps meant to be, or null when none is near: one edit in three letters, or one starts the other. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  if (word.length > WORD_LENGTH_MAX) return null;
  let found: string | null = null;
  let foundDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.length > WORD_LENGTH_MAX) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < foundDistance) [found, foundDistance] = [candidate, distance];
  }
  return found ?? startOf(word, candidates);
}

function startOf(word: string, candidates: Iterable<string>): string | null {
  for (const candidate of candidates) {
    const [short, long] = candidate.length < word.length ? [candidate, word] : [word, candidate];
    if (short.length >= START_LENGTH_MIN && long.startsWith(short)) return candidate;
  }
  return null;
}

/** `; did you mean "window"?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates);
  return found === null ? "" : `; did you mean "${found}"?`;
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly (string | number)[], joiner: "or" | "and" = "or"): string {
  if (words.length <= 1) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${joiner} ${words.at(-1)}`;
}
