import type { Row } from "../row.ts";
import { backlogRow } from "./backlog.ts";
import { closeBlockRow } from "./close-block.ts";
import { costByStreamsRow } from "./cost-by-streams.ts";
import { cpuPerMillionRow } from "./cpu-per-million.ts";
import { decodeRows } from "./decode.ts";
import { drainRow } from "./drain.ts";
import { drawsRow } from "./draws.ts";
import { flashRow } from "./flash.ts";
import { idleCpuRow, idleMemoryRow } from "./idle.ts";
import { noisedYearRow } from "./noised-year.ts";
import { restartBacklogRow } from "./restart-backlog.ts";
import { startRows } from "./start.ts";
import { wholePathRows } from "./whole-path.ts";

/** Every row of DESIGN §7, in its order; then what else is worth knowing. */
export const ROWS: readonly Row[] = [
  ...wholePathRows,
  cpuPerMillionRow,
  idleMemoryRow,
  backlogRow,
  idleCpuRow,
  flashRow,
  ...startRows,
  restartBacklogRow,
  drainRow,
  closeBlockRow,
  costByStreamsRow,
  noisedYearRow,
  drawsRow,
  ...decodeRows,
];
