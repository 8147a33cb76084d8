import { unreachable } from "../assert.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

/** What the operator wants when a sensor cannot be opened at start. */
export type OnStartFailure = "retry" | "skip" | "fail";

/** The life of one sensor's port. */
export type Link =
  | { readonly is: "closed" }
  /** `code`: why it is opened again; null at first. */
  | { readonly is: "opening"; readonly attempt: number; readonly code: string | null }
  /** Not `alive`: silent, and nothing has shown life since, nor since it was opened again for that. */
  | { readonly is: "open"; readonly alive: boolean }
  | { readonly is: "waiting"; readonly attempt: number; readonly code: string }
  /** Not tried again until the config changes. */
  | { readonly is: "given-up"; readonly code: string }
  | { readonly is: "stopped" };

export type LinkEvent =
  | { readonly type: "start" }
  | { readonly type: "opened" }
  /** The port died, or the driver reported a fault; `lasting` faults do not pass by themselves and are retried slowly. */
  | { readonly type: "closed"; readonly code: string; readonly lasting: boolean }
  /** There is nothing more to come: a replay that is not repeated. */
  | { readonly type: "ended"; readonly code: string }
  | { readonly type: "fault"; readonly code: string; readonly retry: "reopen" | "never" }
  /** The driver asks for other settings. */
  | { readonly type: "reopen" }
  /** Nothing that shows life came within the declared rhythm. */
  | { readonly type: "silence" }
  /** Something that shows life came. */
  | { readonly type: "life" }
  | { readonly type: "retryDue" }
  | { readonly type: "stop" };

export type LinkEffect =
  | { readonly type: "open" }
  | { readonly type: "close"; readonly reason: string }
  | { readonly type: "retryIn"; readonly delayMs: number }
  /** The operator said `onStartFailure: fail`. */
  | { readonly type: "failNode"; readonly code: string };

// A sensor must be back within 10 s of its return (reference reliability, fault table: unplugged).
const PASSING: Backoff = { firstMs: 500, longestMs: 10_000 };
// Wrong permissions or settings need a person; there is no hurry.
const LASTING: Backoff = { firstMs: 5_000, longestMs: 60_000 };

/** What the link needs to know from outside to decide. */
export interface LinkContext {
  readonly onStartFailure: OnStartFailure;
  /** Whether this port was ever open since the node started. */
  readonly everOpen: boolean;
  /** There is no plug that somebody may have pulled: a capture that is played goes on where it is, and would be played anew. */
  readonly isPlayed: boolean;
  /** A number in [0, 1). */
  readonly jitter: number;
}

export interface LinkStep {
  readonly link: Link;
  readonly effects: readonly LinkEffect[];
}

const stay = (link: Link): LinkStep => ({ link, effects: [] });

/** The next state of a link and what is to be done. An event that does not fit the state changes nothing. */
export function stepLink(link: Link, event: LinkEvent, context: LinkContext): LinkStep {
  switch (event.type) {
    case "start":
      return link.is === "closed" ? { link: { is: "opening", attempt: 0, code: null }, effects: [{ type: "open" }] } : stay(link);
    case "opened":
      return link.is === "opening" ? stay({ is: "open", alive: link.code !== "silent" }) : stay(link);
    case "closed":
      return isLive(link) ? failed(attemptOf(link), event.code, event.lasting, context) : stay(link);
    case "ended":
      return isLive(link) ? stay({ is: "given-up", code: event.code }) : stay(link);
    case "fault":
      return isLive(link) ? faulted(link, event.code, event.retry, context) : stay(link);
    case "reopen":
      // A capture is what was said, at the settings of then: it would only be played from its beginning, again and again.
      return link.is === "open" && !context.isPlayed
        ? { link: { is: "opening", attempt: 0, code: null }, effects: [{ type: "close", reason: "settings" }, { type: "open" }] }
        : stay(link);
    case "silence":
      return link.is === "open" ? silent(link.alive, context) : stay(link);
    case "life":
      return link.is === "open" && !link.alive ? stay({ is: "open", alive: true }) : stay(link);
    case "retryDue":
      return link.is === "waiting"
        ? { link: { is: "opening", attempt: link.attempt, code: link.code }, effects: [{ type: "open" }] }
        : stay(link);
    case "stop":
      return { link: { is: "stopped" }, effects: isLive(link) ? [{ type: "close", reason: "stop" }] : [] };
    default:
      return unreachable(event);
  }
}

const isLive = (link: Link): boolean => link.is === "open" || link.is === "opening";
const attemptOf = (link: Link): number => (link.is === "opening" ? link.attempt : 0);

function failed(attempt: number, code: string, lasting: boolean, context: LinkContext): LinkStep {
  if (!context.everOpen && context.onStartFailure === "fail")
    return { link: { is: "given-up", code }, effects: [{ type: "failNode", code }] };
  if (!context.everOpen && context.onStartFailure === "skip") return stay({ is: "given-up", code });
  const delayMs = backoffMs(lasting ? LASTING : PASSING, attempt, context.jitter);
  return { link: { is: "waiting", attempt: attempt + 1, code }, effects: [{ type: "retryIn", delayMs }] };
}

function faulted(link: Link, code: string, retry: "reopen" | "never", context: LinkContext): LinkStep {
  const close: LinkEffect = { type: "close", reason: "fault" };
  if (retry === "never") return { link: { is: "given-up", code }, effects: [close] };
  const next = failed(attemptOf(link), code, true, context);
  return { link: next.link, effects: [close, ...next.effects] };
}

// A sensor that stays silent after it was opened again is asked every few seconds only.
const SILENT_ATTEMPT = 3;

/** A first silence reopens the port: an adapter that was pulled and put back may look open and be dead. */
function silent(wasAlive: boolean, context: LinkContext): LinkStep {
  if (context.isPlayed) return stay({ is: "open", alive: false });
  const next = failed(wasAlive ? 0 : SILENT_ATTEMPT, "silent", false, { ...context, everOpen: true });
  return { link: next.link, effects: [{ type: "close", reason: "silent" }, ...next.effects] };
}
