import { callRules } from "./calls.ts";
import { importRules } from "./imports.ts";
import { noiseRules } from "./noise.ts";
import type { Rule } from "./repository.ts";
import { textRules } from "./text.ts";

/** Every house rule that a machine checks. */
export const RULES: readonly Rule[] = [...importRules, ...callRules, ...noiseRules, ...textRules];
