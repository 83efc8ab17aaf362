/** Where a point of one film lies on another, in edge coordinates: pixel i covers [i, i + 1]. */

export type Point = readonly [number, number];

/** x' = xx · x + xy · y + x0, and y' likewise. */
export interface Affine {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
}

export const IDENTITY: Affine = { xx: 1, xy: 0, x0: 0, yx: 0, yy: 1, y0: 0 };

/** From rows and columns with pixel centres at whole numbers, as the server has them. */
export function affineOf(matrix: readonly (readonly number[])[], offset: readonly number[]): Affine {
  const [[yy, yx], [xy, xx]] = matrix as [[number, number], [number, number]];
  const [y, x] = offset as [number, number];
  // A centre is half a pixel behind its edge, in both films.
  return { xx, xy, x0: x + 0.5 - (xx + xy) / 2, yx, yy, y0: y + 0.5 - (yx + yy) / 2 };
}

export function apply({ xx, xy, x0, yx, yy, y0 }: Affine, [x, y]: Point): [number, number] {
  return [xx * x + xy * y + x0, yx * x + yy * y + y0];
}

export function inverse({ xx, xy, x0, yx, yy, y0 }: Affine): Affine {
  const size = xx * yy - xy * yx;
  const back = { xx: yy / size, xy: -xy / size, yx: -yx / size, yy: xx / size };
  const [x, y] = [back.xx * x0 + back.xy * y0, back.yx * x0 + back.yy * y0];
  return { ...back, x0: -x, y0: -y };
}

/** Pixels of the other film for one of the first, of a length. */
export function scaleOf({ xx, xy, yx, yy }: Affine): number {
  return Math.sqrt(Math.abs(xx * yy - xy * yx));
}
