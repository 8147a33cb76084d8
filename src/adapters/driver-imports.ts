/**
 * Packages that a driver may import at run time: pure parsers, each added by a decision record. None yet: zod, framers and
 * checksums come through the API that a driver is given.
 */
const PURE_PARSERS: readonly string[] = [];

/** What the source of a driver reaches for. */
export interface ImportScan {
  /** Files beside it that it imports, as written: `./protocol.js`. They must be scanned too. */
  readonly local: readonly string[];
  /** What it may not reach for, in words. */
  readonly refused: readonly string[];
}

// `import "x"`, `import a, { b } from "x"`, `export * from "x"`, up to the opening quote.
const STATIC_IMPORT = /(?<![.\w$#])(import|export)\b([^;"'()=]*?)(["'])/g;
const TYPE_ONLY = /^\s+type\b(?!\s*(?:,|from\b))/;
const FROM = /\bfrom\s*$/;
/** Ways to code or to the machine that are no import declaration. A driver has no use for any of them. */
const REACHES: readonly (readonly [RegExp, string])[] = [
  [/(?<![.\w$#])import\s*\(/, "import()"],
  [/(?<![.\w$#])import\s*\.\s*meta\b/, "import.meta"],
  [/(?<![.\w$#])require\b/, "require"],
  [/(?<![.\w$#])process\b/, "process"],
  [/(?<![.\w$#])globalThis\b/, "globalThis"],
  [/(?<![.\w$#])eval\b/, "eval"],
  [/(?<![.\w$#])Function\s*\(/, "Function()"],
  [/(?<![.\w$#])(?:fetch|WebSocket|EventSource)\b/, "the network"],
  [/(?<![.\w$#])(?:setTimeout|setInterval|setImmediate)\b/, "a timer of its own"],
];

const TOKENS = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?|`(?:[^`\\]|\\[\s\S])*`?/g;

/**
 * The source with comments and the insides of strings replaced by spaces, at the same length. A quote inside a regular
 * expression literal can hide the rest of its line, never more: a string does not run over the end of a line. Templates are
 * kept, since code can stand in them.
 */
function codeOf(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, " ");
  return source.replace(TOKENS, (token) => {
    if (token.startsWith("/")) return blank(token);
    if (token.startsWith("`")) return token;
    const quote = token[0] ?? "";
    const isClosed = token.length > 1 && token.endsWith(quote);
    return quote + blank(token.slice(1, isClosed ? -1 : undefined)) + (isClosed ? quote : "");
  });
}

/**
 * What a driver's source imports, by a plain scan. It guards against mistakes, such as a driver that opens a port itself; it is
 * no sandbox. Drivers are trusted code: they are reviewed, and pinned by their hash.
 */
export function scanImports(source: string): ImportScan {
  const code = codeOf(source);
  const local: string[] = [];
  const refused: string[] = [];
  for (const match of code.matchAll(STATIC_IMPORT)) {
    const [whole, keyword, clause = "", quote = '"'] = match;
    const isBare = keyword === "import" && clause.trim() === "";
    if ((!isBare && !FROM.test(clause)) || TYPE_ONLY.test(clause)) continue;
    // The specifier is blank in `code`, and stands at the same place in the source.
    const start = match.index + whole.length;
    const specifier = source.slice(start, source.indexOf(quote, start));
    if (/^\.\.?\//.test(specifier)) local.push(specifier);
    else if (!PURE_PARSERS.includes(specifier)) refused.push(`import of "${specifier}"`);
  }
  for (const [pattern, name] of REACHES) if (pattern.test(code)) refused.push(name);
  return { local, refused };
}
