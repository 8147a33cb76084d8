import type { Clock } from "../../ports/clock.ts";
import type { GpioBus, GpioPort, GpioReport, PortListener } from "../../ports/field-port.ts";
import { type ClosedEvent, gpioClosed, RUN_REMEDY, toolFault } from "./gpio-fault.ts";
import { createGpioTools, type GpioTools, type ToolAnswer } from "./gpio-tools.ts";
import { type GpioBackend, GpiomonBackend } from "./gpiomon-backend.ts";
import { type GpiomonDialect, parseChips, parseMajorVersion } from "./gpiomon-dialect.ts";
import { gpiomon1 } from "./gpiomon-v1.ts";
import { gpiomon2 } from "./gpiomon-v2.ts";
import { type GpioLines, LineWatch } from "./line-watch.ts";
import { loadOnoff, ONOFF_LIMITS, OnoffBackend, type OpenOnoff } from "./onoff-backend.ts";
import { readSysfsChips, SYSFS_GPIO } from "./sysfs-chips.ts";

export interface GpioBusOptions {
  readonly clock: Pick<Clock, "after" | "monotonicMs" | "monotonicNs">;
  /** Where the libgpiod tools are looked for, as in PATH. */
  readonly path: string;
  readonly sysfsRoot?: string;
  /** Where the devices of chips are; `/dev`. */
  readonly deviceRoot?: string;
  readonly loadOnoff?: () => Promise<OpenOnoff>;
}

interface Choice {
  readonly report: GpioReport;
  readonly backend: GpioBackend;
  /** The system could not run the tools: this says nothing about what there is, and the next watch looks again. */
  readonly isUndecided?: true;
}

/**
 * GPIO lines of this machine. `probe` chooses, once: gpiomon 2 or 1, else onoff, else none. ADR 0006 says why in this order. Where the
 * tools could not be run, each watch chooses anew.
 */
export function createGpioBus(options: GpioBusOptions): GpioBus {
  const tools = createGpioTools(options.path);
  const watches = new Set<LineWatch>();
  let choice: Promise<Choice> | null = null;
  const chosen = async (): Promise<Choice> => {
    choice ??= choose(options, tools);
    const made = choice;
    const { isUndecided } = await made;
    if (isUndecided && choice === made) choice = null;
    return made;
  };
  return {
    probe: async () => (await chosen()).report,
    watch(lines: GpioLines, listener: PortListener): GpioPort {
      let stop = (): void => {};
      const watch = new LineWatch(options.clock, lines, listener, () => {
        watches.delete(watch);
        stop();
      });
      watches.add(watch);
      void chosen().then(({ backend }) => {
        if (watch.isWanted) stop = backend.watch(lines, watch);
      });
      return watch;
    },
    close() {
      for (const watch of watches) watch.close();
    },
  };
}

const REMEDY = "Install the package gpiod and start Stoep again";

/** gpiomon for each major version of libgpiod. */
const DIALECTS: ReadonlyMap<number, GpiomonDialect> = new Map([
  [1, gpiomon1],
  [2, gpiomon2],
]);

async function choose(options: GpioBusOptions, tools: GpioTools): Promise<Choice> {
  const { clock, sysfsRoot = SYSFS_GPIO, deviceRoot = "/dev", loadOnoff: load = loadOnoff } = options;
  const version = await tools.ask(["gpiomon", "--version"]);
  if (version.is === "failed") return undecided(version);
  const major = version.is === "answered" ? parseMajorVersion(version.stdout) : null;
  const dialect = major === null ? undefined : DIALECTS.get(major);
  const said = version.is === "missing" ? "gpiomon is not installed" : (version.stdout.split("\n")[0] ?? "");
  const chipsSeen = dialect === undefined ? "" : await describeChips(tools);
  const sysfsChips = await readSysfsChips(sysfsRoot);
  if (dialect !== undefined && (chipsSeen !== null || sysfsChips.length === 0)) {
    const detail = `${said}; ${chipsSeen ?? "no GPIO chip now"}`;
    const { backend, limits } = dialect;
    return { report: { backend, detail, limits, remedy: "" }, backend: new GpiomonBackend({ clock, tools, dialect, deviceRoot }) };
  }
  const why = dialect === undefined ? said || "gpiomon does not tell its version" : `${said}, but it finds no GPIO chip`;
  if (sysfsChips.length > 0) {
    const detail = `${why}; sysfs has ${sysfsChips.map(({ label, base }) => `${label} from ${base}`).join(", ")}`;
    return {
      report: { backend: "onoff", detail, limits: ONOFF_LIMITS, remedy: REMEDY },
      backend: new OnoffBackend({ clock, sysfsRoot, load }),
    };
  }
  const detail = `${why}; ${sysfsRoot} has no GPIO chip`;
  return { report: { backend: "none", detail, limits: ["GPIO lines cannot be watched"], remedy: REMEDY }, backend: noBackend(detail) };
}

/** The chips that gpiodetect lists, or why it could not list them; null when there are none. */
async function describeChips(tools: GpioTools): Promise<string | null> {
  const answer = await tools.ask(["gpiodetect"]);
  if (answer.is === "missing") return null;
  if (answer.is === "failed") return answer.detail;
  const chips = parseChips(answer.stdout);
  if (chips.length > 0) return chips.map(({ name, label }) => `${name} is ${label}`).join(", ");
  return answer.ok ? null : answer.stderr;
}

/** Nothing is known yet, because the system could not run gpiomon. */
function undecided(failed: Extract<ToolAnswer, { is: "failed" }>): Choice {
  const { detail } = failed;
  const limits = ["GPIO lines cannot be watched now"];
  return { report: { backend: "none", detail, limits, remedy: RUN_REMEDY }, backend: closing(toolFault(failed)), isUndecided: true };
}

const noBackend = (detail: string): GpioBackend => closing(gpioClosed("unsupported", detail));

const closing = (fault: ClosedEvent): GpioBackend => ({
  watch(_lines, sink) {
    sink.closed(fault);
    return () => {};
  },
});
