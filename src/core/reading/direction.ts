/** Where an object moves, seen from the sensor (CONTRACT §3). */
export const DIRECTIONS = ["towards", "away"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Classes of road users (CONTRACT §3). */
export const ROAD_USERS = ["pedestrian", "bicycle", "moped", "motorcycle", "car", "van", "lorry", "bus", "other"] as const;
export type RoadUser = (typeof ROAD_USERS)[number];

/** The declared domain of a count: every direction with every class is one cell. An absent axis is not split. */
export interface CellAxes {
  readonly directions?: readonly Direction[];
  readonly classes?: readonly RoadUser[];
}

/** One disjoint part of a window's count. */
export interface Cell {
  readonly direction?: Direction;
  readonly class?: RoadUser;
}

/** The whole declared product, directions outermost, in the order of declaration. Without axes it is one cell. */
export function cellsOf(axes: CellAxes): readonly Cell[] {
  const cells: Cell[] = [];
  for (const direction of axes.directions ?? [undefined]) {
    for (const roadUser of axes.classes ?? [undefined]) {
      cells.push({ ...(direction ? { direction } : {}), ...(roadUser ? { class: roadUser } : {}) });
    }
  }
  return cells;
}

/** Index of the cell that a passage belongs to, or -1 when it lies outside the declared domain. */
export function cellIndex(axes: CellAxes, direction: Direction | undefined, roadUser: RoadUser | undefined): number {
  const { directions, classes } = axes;
  const row = directions ? directions.indexOf(direction as Direction) : 0;
  const column = classes ? classes.indexOf(roadUser as RoadUser) : 0;
  return row < 0 || column < 0 ? -1 : row * (classes?.length ?? 1) + column;
}
