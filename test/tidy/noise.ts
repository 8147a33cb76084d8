import { lineAt, type Problem, type Rule } from "./repository.ts";
import { nameOf, type SyntaxNode, stringOf, syntaxOf, usesOf, walk } from "./syntax.ts";

// T14 of the privacy reference: where noise is drawn there are integers only. Every attack on floating-point noise (Mironov 2012;
// Haney et al. 2022) started from one rounding. The types already keep BigInt and number apart; this keeps number out.

const NOISE = "src/core/anonymise/noise/";
/** What handles bytes may count with numbers, because bytes are numbers: it may not divide. */
const BYTES = `${NOISE}byte-`;
const ASSERT = "src/core/assert.ts";

const FLOAT_NAMES = /^(Math|Number|parseFloat|parseInt|NaN|Infinity|Float(16|32|64)Array|DataView|Atomics|Date|eval|Function|globalThis)$/;
const DIVISIONS = ["/", "%", "**", "/=", "%=", "**="];

/** The text of a literal number, with `.` and exponent if it has them; null for a BigInt and everything else. */
function numberText(node: SyntaxNode): string | null {
  return node.type === "Literal" && typeof node.value === "number" ? String(node.raw) : null;
}

/** Why a node may not stand in this folder, or null. */
function problemOf(node: SyntaxNode, path: string): string | null {
  const name = nameOf(node) ?? stringOf(node);
  if (name !== null && FLOAT_NAMES.test(name)) return `may not use ${name}`;
  if (node.type === "UnaryExpression" && node.operator === "+") return "may not turn anything into a number";
  const number = numberText(node);
  if (number !== null && /[.e]/i.test(number) && !/^0x/i.test(number)) return `may not hold the float ${number}`;
  if (path.startsWith(BYTES)) {
    const divides = node.type === "BinaryExpression" || node.type === "AssignmentExpression";
    return divides && DIVISIONS.includes(String(node.operator)) ? "may not divide: its numbers are floats to the engine" : null;
  }
  if (number !== null) return `may not hold the number ${number}, only BigInt`;
  return node.type === "TSNumberKeyword" ? "may not have a variable that is a number, only BigInt" : null;
}

export const noiseIsExact: Rule = {
  name: "noise is drawn from integers: no float, no Math, no number but in the byte pool, nothing imported from elsewhere",
  check: ({ files }) =>
    files
      .filter(({ path }) => path.startsWith(NOISE))
      .flatMap((file) => {
        const problems: Problem[] = [];
        walk(syntaxOf(file), (node) => {
          const message = problemOf(node, file.path);
          if (message !== null) problems.push({ path: file.path, line: lineAt(file.text, node.start), message });
        });
        for (const { target, specifier, line } of usesOf(file)) {
          const fits = target?.startsWith(NOISE) || target === ASSERT;
          if (!fits) problems.push({ path: file.path, line, message: `may not import ${target ?? specifier}` });
        }
        return problems;
      }),
};

/** Rules about the folder in which noise is drawn. */
export const noiseRules: readonly Rule[] = [noiseIsExact];
