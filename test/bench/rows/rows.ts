import type { Row } from "../row.ts";
import { wholePathRows } from "./whole-path.ts";

/** Every row of DESIGN §7, in its order. */
export const ROWS: readonly Row[] = [...wholePathRows];
