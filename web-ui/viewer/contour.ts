/** Lines round the parts of a map above a level, by marching squares: figures/marks.py. */

import type { Field } from "./geometry.js";

/** Pixels on the longer side on which the line is computed. */
export const FINEST = 512;

export function contourStep(height: number, width: number): number {
  return Math.max(1, Math.ceil(Math.max(height, width) / FINEST));
}

/** A piece of a line: x, y of its two ends, in edge coordinates of the film. */
export type Piece = readonly [number, number, number, number];

/**
 * Pieces of the lines at a level.
 *
 * @param coarse every step-th pixel of the map; outside of it the map counts as 0, so that a part
 *   at the border is closed there.
 */
export function contour(
  coarse: Field,
  level: number,
  step: number,
  height: number,
  width: number,
): Piece[] {
  const { rows, columns, values } = coarse;
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= rows || column >= columns ? 0 : values[row * columns + column]!;
  const pieces: Piece[] = [];
  const place = (v: number, high: number): number =>
    Math.min(Math.max(v * step, -0.5), high - 0.5) + 0.5;
  const add = (a: readonly [number, number], b: readonly [number, number]): void => {
    pieces.push([place(a[1], width), place(a[0], height), place(b[1], width), place(b[0], height)]);
  };
  for (let row = -1; row < rows; row++) {
    for (let column = -1; column < columns; column++) {
      const corners: Corners = [
        at(row, column),
        at(row, column + 1),
        at(row + 1, column),
        at(row + 1, column + 1),
      ];
      square(corners, level, row, column, add);
    }
  }
  return pieces;
}

/** Upper left, upper right, lower left, lower right. */
type Corners = readonly [number, number, number, number];
type Point = readonly [number, number];

function square(
  [a, b, c, d]: Corners,
  level: number,
  row: number,
  column: number,
  add: (from: Point, to: Point) => void,
): void {
  const kind = +(a > level) | (+(b > level) << 1) | (+(c > level) << 2) | (+(d > level) << 3);
  if (kind === 0 || kind === 15) return;
  const share = (from: number, to: number): number => (level - from) / (to - from);
  const upper = (): Point => [row, column + share(a, b)];
  const lower = (): Point => [row + 1, column + share(c, d)];
  const left = (): Point => [row + share(a, c), column];
  const right = (): Point => [row + share(b, d), column + 1];
  switch (kind) {
    case 1: case 14: return add(upper(), left());
    case 2: case 13: return add(right(), upper());
    case 3: case 12: return add(right(), left());
    case 4: case 11: return add(left(), lower());
    case 5: case 10: return add(upper(), lower());
    case 7: case 8: return add(right(), lower());
    // Two high corners across: low values are connected.
    case 6: add(right(), upper()); return add(left(), lower());
    default: add(upper(), left()); return add(right(), lower());
  }
}

/** The largest value, and its row and column; of a flat top its middle. */
export function peakOf(field: Field): { value: number; row: number; column: number } {
  const { columns, values } = field;
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  const value = values[best] ?? 0;
  const row = Math.floor(best / columns);
  const column = best % columns;
  const isTop = (i: number): boolean => values[i]! >= value * (1 - 1e-6);
  let low = row;
  let high = row;
  while (low > 0 && isTop((low - 1) * columns + column)) low--;
  while (high + 1 < field.rows && isTop((high + 1) * columns + column)) high++;
  const middle = (low + high) / 2;
  const line = roundHalfEven(middle) * columns;
  let first = column;
  let last = column;
  while (first > 0 && isTop(line + first - 1)) first--;
  while (last + 1 < columns && isTop(line + last + 1)) last++;
  return { value, row: middle, column: (first + last) / 2 };
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
