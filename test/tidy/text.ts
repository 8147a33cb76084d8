import type { Problem, Rule, SourceFile } from "./repository.ts";

const LINE_CHARACTERS_MAX = 140;
const FILE_LINES_MAX = 350;
const PROMISES = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"];

/** Words that say "not finished", in halves, so that this file does not hold them. */
const LOOSE_ENDS = /\b(?:TO)(?:DO)\b|\b(?:FIX)(?:ME)\b/;

/** The lines of these files that `isWrong`. */
function search(files: readonly SourceFile[], isWrong: (line: string) => boolean, message: string): Problem[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => (isWrong(line) ? [{ path, line: index + 1, message }] : [])),
  );
}

const isShipped = ({ path }: SourceFile): boolean => path.startsWith("src/") || path.startsWith("drivers/");

export const shortLines: Rule = {
  name: `lines have at most ${LINE_CHARACTERS_MAX} characters`,
  // An address cannot be broken.
  check: ({ files }) => search(files, (line) => line.length > LINE_CHARACTERS_MAX && !/https?:\/\//.test(line), "is too long"),
};

export const shortFiles: Rule = {
  name: `files in src and drivers have at most ${FILE_LINES_MAX} lines`,
  check: ({ files }) =>
    files.filter(isShipped).flatMap(({ path, text }): Problem[] => {
      const lines = text.replace(/\n$/, "").split("\n").length;
      return lines > FILE_LINES_MAX ? [{ path, line: FILE_LINES_MAX, message: `has ${lines} lines` }] : [];
    }),
};

export const noLooseEnds: Rule = {
  name: "no loose ends are marked in code: they go to the issue tracker",
  check: ({ files }) => search(files, (line) => LOOSE_ENDS.test(line), "marks a loose end"),
};

/** Where the claims are made, and nothing else may. */
const CLAIMS = "src/core/anonymise/claims.ts";

export const nothingIsCalledAnonymous: Rule = {
  name: `nothing is called anonymous outside ${CLAIMS}: the word is a legal claim`,
  check: ({ files, readme }) =>
    search(
      [...files.filter((file) => isShipped(file) && file.path !== CLAIMS), { path: "README.md", text: readme ?? "" }],
      // In English and in Dutch.
      (line) => /\banonymous(ly)?\b|\banonieme?\b/i.test(line),
      "claims anonymity",
    ),
};

/** DESIGN §1: each promise is a test suite. One that has none yet is marked so where users read it. */
export const promisesAreTested: Rule = {
  name: "every promise has its suite, or README says that it is not kept yet",
  waitsFor: ({ readme }) => (readme === null ? "there is no README.md, where an exception would be admitted" : null),
  check: ({ files, readme }) => {
    if (readme === null) return [];
    const open = PROMISES.filter((promise) => {
      const suite = new RegExp(`^test/promises/${promise.toLowerCase()}(?![0-9]).*\\.test\\.ts$`);
      const admitted = new RegExp(`\\b${promise}\\b.*not kept yet`, "i");
      return !files.some(({ path }) => suite.test(path)) && !readme.split("\n").some((line) => admitted.test(line));
    });
    return open.map((promise) => ({ path: "README.md", line: 1, message: `${promise} has no test and is not marked "not kept yet"` }));
  },
};

/** Rules about text. */
export const textRules: readonly Rule[] = [shortLines, shortFiles, noLooseEnds, nothingIsCalledAnonymous, promisesAreTested];
