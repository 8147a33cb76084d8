import { lineAt, type Problem, type Rule, type SourceFile, zoneOf } from "./repository.ts";
import { child, children, nameOf, type SyntaxNode, stringOf, syntaxOf, usesOf, walk } from "./syntax.ts";

type Visit = (node: SyntaxNode, parent: SyntaxNode, field: string) => string | null;

/** The problems that `visit` names in these files. */
function search(files: readonly SourceFile[], visit: Visit): Problem[] {
  const problems: Problem[] = [];
  for (const file of files) {
    walk(syntaxOf(file), (node, parent, field) => {
      const message = visit(node, parent, field);
      if (message) problems.push({ path: file.path, line: lineAt(file.text, node.start), message });
    });
  }
  return problems;
}

/** `b` of `a.b` or `a["b"]`, else null. */
const memberName = (node: SyntaxNode | null): string | null => {
  if (node?.type !== "MemberExpression") return null;
  const property = child(node, "property");
  return node.computed === true ? stringOf(property) : nameOf(property);
};

/** Whether an identifier stands for a variable, and not for a field, a key or a name in an import. */
const isReference = (parent: SyntaxNode, field: string): boolean => {
  if (parent.type === "MemberExpression" && field === "property") return parent.computed === true;
  if (field === "key") return parent.computed === true;
  return !/^(Import|Export).*Specifier$/.test(parent.type) && parent.type !== "TSPropertySignature";
};

/** The name of a global that is referred to, also through `globalThis`. */
function globalName(node: SyntaxNode, parent: SyntaxNode, field: string): string | null {
  if (nameOf(child(node, "object")) === "globalThis") return memberName(node);
  const name = nameOf(node);
  return name !== null && isReference(parent, field) ? name : null;
}

/** Folders that get the world passed in, STYLE rules 3 and 4. */
const PURE_ZONES: readonly (string | null)[] = ["core", "ports", "driver-api", "config", "formats", "runtime", "drivers"];
const WORLD_GLOBALS = ["setTimeout", "setInterval", "setImmediate", "process", "performance"];

export const worldIsPassedIn: Rule = {
  name: "no clock, random or process outside adapters, cli and testing",
  check: ({ files }) =>
    search(
      files.filter(({ path }) => PURE_ZONES.includes(zoneOf(path))),
      (node, parent, field) => {
        const name = globalName(node, parent, field);
        if (name !== null && WORLD_GLOBALS.includes(name)) return `may not use ${name}`;
        const callee = nameOf(child(node, "callee"));
        const bareDate = node.type === "NewExpression" && callee === "Date" && children(node, "arguments").length === 0;
        if (bareDate || (node.type === "CallExpression" && callee === "Date")) return "may not ask for the time with Date";
        const object = nameOf(child(node, "object"));
        const member = `${object}.${memberName(node)}`;
        return member === "Date.now" || member === "Math.random" ? `may not use ${member}` : null;
      },
    ),
};

const RUNNERS: readonly (string | null)[] = ["it", "test", "describe", "suite"];
const CONTEXTS: readonly (string | null)[] = ["context", "ctx", "t"];

/** `it` of `it.concurrent.only.each(…)`. */
function rootOf(node: SyntaxNode | null): string | null {
  if (node?.type === "MemberExpression") return rootOf(child(node, "object"));
  return node?.type === "CallExpression" ? rootOf(child(node, "callee")) : nameOf(node);
}

/** A skip at run time says why: `context.skip(reason)`, `context.skip(condition, reason)`. */
function skipsInSilence(call: SyntaxNode): boolean {
  const reason = children(call, "arguments").at(-1) ?? null;
  return stringOf(reason) === null && reason?.type !== "TemplateLiteral" && reason?.type !== "Identifier";
}

export const testsRun: Rule = {
  name: "tests run: no only, no todo, no skip without a reason",
  check: ({ files }) =>
    search(
      files.filter(({ path }) => zoneOf(path) === "test"),
      (node) => {
        const member = memberName(node);
        const runner = member !== null && RUNNERS.includes(rootOf(child(node, "object")));
        if (runner && member === "only") return "leaves every other test out";
        if (runner && (member === "skip" || member === "todo")) return "does not run: say why with context.skip(reason), or delete it";
        const callee = node.type === "CallExpression" ? child(node, "callee") : null;
        const contextSkip = memberName(callee) === "skip" && CONTEXTS.includes(rootOf(callee));
        return contextSkip && skipsInSilence(node) ? "skips without a reason" : null;
      },
    ),
};

const OWN_TIME = /^test\/(unit|golden|property|sim)\//;

export const testsOwnTime: Rule = {
  name: "tests of pure code do not sleep on the real clock",
  check: ({ files }) => {
    const own = files.filter(({ path }) => OWN_TIME.test(path));
    const sleeps = search(own, (node, parent, field) => {
      const name = globalName(node, parent, field);
      if (name === "setTimeout" || name === "setInterval") return `may not use ${name}`;
      return nameOf(child(node, "object")) === "Atomics" && memberName(node) === "wait" ? "may not use Atomics.wait" : null;
    });
    const imports = own.flatMap((file) =>
      usesOf(file)
        .filter(({ specifier }) => specifier !== null && /^(node:)?timers(\/promises)?$/.test(specifier))
        .map(({ line, specifier }) => ({ path: file.path, line, message: `may not import ${specifier}` })),
    );
    return [...sleeps, ...imports];
  },
};

/** What only its own module makes (ADR 0004). */
const SEALED: readonly (string | null)[] = ["Message", "Summary"];

/** Whether a type names something sealed, also inside another: `readonly Message[]`. */
function namesSealed(type: SyntaxNode): boolean {
  let isNamed = false;
  walk({ type: "Root", start: type.start, inner: type }, (node) => {
    const name = node.type === "TSTypeReference" ? child(node, "typeName") : null;
    const last = name?.type === "TSQualifiedName" ? child(name, "right") : name;
    if (SEALED.includes(nameOf(last))) isNamed = true;
  });
  return isNamed;
}

export const sealsAreNotCast: Rule = {
  name: "nothing is cast to a Message or a Summary",
  check: ({ files }) =>
    search(
      files.filter(({ path }) => !path.startsWith("test/")),
      (node) => {
        const type = node.type === "TSAsExpression" || node.type === "TSTypeAssertion" ? child(node, "typeAnnotation") : null;
        return type !== null && namesSealed(type) ? "casts to a sealed type: only core/anonymise makes one" : null;
      },
    ),
};

/** Rules about what code calls. */
export const callRules: readonly Rule[] = [worldIsPassedIn, testsRun, testsOwnTime, sealsAreNotCast];
