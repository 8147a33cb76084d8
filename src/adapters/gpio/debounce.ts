/** One edge of one line, as it was stamped. Nanoseconds on any clock: only differences count. */
export interface Edge {
  readonly rising: boolean;
  readonly atNs: bigint;
}

/** What is remembered of one line. */
export interface BounceState {
  /** The edge that was told last. */
  readonly told: Edge | null;
  /** The newest edge within the debounce time after it, when it left the line other than was told. */
  readonly held: Edge | null;
}

export interface BounceStep {
  readonly state: BounceState;
  /** What is told now, oldest first. */
  readonly tell: readonly Edge[];
}

export const STILL: BounceState = { told: null, held: null };

/**
 * An edge is told at once, and edges closer than the debounce time after one that was told are bounce. A pulse that is over within
 * that time is counted, then, and not lost; and where both edges are watched, its end is held and told by `releaseEdge`, so that a
 * short disturbance does not leave a line on record as high for hours.
 */
export function offerEdge(state: BounceState, edge: Edge, debounceNs: bigint): BounceStep {
  const { told, held } = state;
  if (told !== null && isWithin(debounceNs, told, edge)) return { state: { told, held: differing(told, edge) }, tell: [] };
  if (held === null) return { state: { told: edge, held: null }, tell: [edge] };
  // The held edge is due and its release is late.
  const next = offerEdge(releaseEdge(state).state, edge, debounceNs);
  return { state: next.state, tell: [held, ...next.tell] };
}

/** The debounce time is over and nothing more came: a held edge was real. */
export function releaseEdge(state: BounceState): BounceStep {
  return state.held === null ? { state, tell: [] } : { state: { told: state.held, held: null }, tell: [state.held] };
}

const differing = (told: Edge, edge: Edge): Edge | null => (edge.rising === told.rising ? null : edge);

/** A stamp before the last one is of a clock that was set back: no bounce, or the line would be deaf until it caught up. */
function isWithin(debounceNs: bigint, told: Edge, edge: Edge): boolean {
  const sinceNs = edge.atNs - told.atNs;
  return sinceNs >= 0n && sinceNs < debounceNs;
}
