/** A summary as subscribers receive it; only what the line shows. */
interface SummaryPayload {
  readonly seq: number;
  readonly sensor: string;
  readonly stream: string;
  readonly unit: string;
  readonly window: { readonly start: string; readonly end: string };
  readonly coverage: number;
  readonly quality: string;
  readonly stats?: Readonly<Record<string, unknown>>;
  readonly cells?: readonly { readonly direction?: string; readonly class?: string; readonly count: number | null }[];
  readonly histogram?: { readonly edges: readonly number[]; readonly counts: readonly (number | null)[] };
  readonly reason?: string;
  readonly total?: { readonly count: number; readonly ci95: number };
  readonly privacy: { readonly policy: string; readonly k?: number; readonly ci95?: number };
}

const SEQ_WIDTH = 5;
const NAME_WIDTH = 16;

/** One summary in one line for people: window, stream, what it says, how much of the window it rests on. */
export function summaryLine(payload: Uint8Array): string {
  const summary = JSON.parse(Buffer.from(payload).toString("utf8")) as SummaryPayload;
  const time = `${summary.window.start.slice(11, 19)}-${summary.window.end.slice(11, 19)}`;
  const coverage = summary.quality === "ok" ? "" : `  (${Math.round(summary.coverage * 100)} % of the window)`;
  const name = `${summary.sensor}.${summary.stream}`.padEnd(NAME_WIDTH);
  return `${`#${summary.seq}`.padEnd(SEQ_WIDTH)} ${time}  ${name}  ${bodyText(summary)}${coverage}`;
}

function bodyText(summary: SummaryPayload): string {
  const { stats, cells, histogram, reason, unit, privacy } = summary;
  if (reason !== undefined) return reasonText(reason, privacy.k);
  if (cells !== undefined && privacy.ci95 !== undefined) return noisedText(cells, privacy.ci95, summary.total);
  if (cells !== undefined) return cells.map((cell) => `${cellName(cell)} ${cell.count ?? `withheld (fewer than ${privacy.k})`}`).join(", ");
  if (histogram !== undefined) return `speeds in ${histogram.counts.filter((count) => count !== null).length} published bins`;
  return Object.entries(stats ?? {})
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("  ")
    .concat(unit === "1" ? "" : `  ${unit}`);
}

/** Counts with the distance that 95 of 100 of them keep from the exact one. */
function noisedText(cells: NonNullable<SummaryPayload["cells"]>, ci95: number, total: SummaryPayload["total"]): string {
  const parts = cells.map((cell) => `${cellName(cell)} ${cell.count} \u00b1${ci95}`);
  return total === undefined ? parts.join("  ") : [...parts, `total ${total.count} \u00b1${total.ci95}`].join("  ");
}

function cellName({ direction, class: roadUser }: { readonly direction?: string; readonly class?: string }): string {
  return [direction, roadUser].filter((part) => part !== undefined).join(" ") || "all";
}

function reasonText(reason: string, k: number | undefined): string {
  if (reason === "suppressed") return `withheld: no cell reached ${k}`;
  return reason === "missing" ? "no reading that counts in this window" : `no number: ${reason}`;
}
