/** Lines round the parts of a mask, along the edges of its cells. */

export type Line = (readonly [number, number])[];

/** A mask of runs outside and inside by turns. */
export function maskOf(runs: readonly number[], size: number): Uint8Array {
  const mask = new Uint8Array(size);
  let at = 0;
  runs.forEach((length, i) => {
    if (i % 2 === 1) mask.fill(1, at, at + length);
    at += length;
  });
  return mask;
}

/**
 * Closed lines of x, y in cells round what is inside.
 *
 * @param isInside whether a cell is in the mask; also asked of cells beyond the border.
 */
export function outlinesOf(
  rows: number,
  columns: number,
  isInside: (row: number, column: number) => boolean,
): Line[] {
  // Each edge runs with the inside at its right, from a corner to the next; a corner has up to two.
  const next = new Map<number, number[]>();
  const corner = (row: number, column: number): number => row * (columns + 1) + column;
  const add = (from: number, to: number): void => {
    next.set(from, [...(next.get(from) ?? []), to]);
  };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!isInside(row, column)) continue;
      if (!isInside(row - 1, column)) add(corner(row, column), corner(row, column + 1));
      if (!isInside(row, column + 1)) add(corner(row, column + 1), corner(row + 1, column + 1));
      if (!isInside(row + 1, column)) add(corner(row + 1, column + 1), corner(row + 1, column));
      if (!isInside(row, column - 1)) add(corner(row + 1, column), corner(row, column));
    }
  }
  const lines: Line[] = [];
  for (const start of next.keys()) {
    while ((next.get(start)?.length ?? 0) > 0) lines.push(lineFrom(start, next, columns + 1));
  }
  return lines;
}

/** The line from a corner back to it; its edges are taken out. */
function lineFrom(start: number, next: Map<number, number[]>, width: number): Line {
  const line: Line = [];
  let at = start;
  do {
    line.push([at % width, Math.floor(at / width)]);
    at = next.get(at)!.pop()!;
  } while (at !== start);
  return line;
}
