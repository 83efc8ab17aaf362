/**
 * Linear interpolation at half-pixel centres, as core/geometry.py and core/tensors.py do it: cells
 * of the grid → pixels of the model's input → pixels of the film. In edge coordinates pixel i
 * covers [i, i + 1].
 */

import type { GeometryData } from "./data.js";

/** Where samples lie between two others: index of the lower, index of the upper, its weight. */
export interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly weight: Float32Array;
  /** 0 where the model saw nothing. */
  readonly inside: Uint8Array;
}

/** Taps of `size` pixels on `count` others, where edge = scale × edge of the pixel + offset. */
export function taps(
  count: number,
  size: number,
  scale: number,
  offset: number,
  start = 0,
  step = 1,
): Taps {
  const low = new Int32Array(size);
  const high = new Int32Array(size);
  const weight = new Float32Array(size);
  const inside = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const edge = (start + i * step + 0.5) * scale + offset;
    const centre = Math.min(Math.max(edge - 0.5, 0), count - 1);
    low[i] = Math.floor(centre);
    high[i] = Math.min(low[i]! + 1, count - 1);
    weight[i] = centre - low[i]!;
    inside[i] = edge >= 0 && edge <= count ? 1 : 0;
  }
  return { low, high, weight, inside };
}

/** Numbers in rows and columns. */
export interface Field {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

const single = Math.fround;

/** The sum of two values by their weights, in single precision as torch has it. */
function between(a: number, b: number, weight: number): number {
  return single(single(a * single(1 - weight)) + single(b * weight));
}

/** One row of a field between two, in all its columns. */
export function rowBetween(field: Field, rows: Taps, row: number, into: Float32Array): void {
  const { columns, values } = field;
  const above = rows.low[row]! * columns;
  const below = rows.high[row]! * columns;
  const weight = rows.weight[row]!;
  const inside = rows.inside[row]!;
  for (let i = 0; i < columns; i++) {
    into[i] = inside * between(values[above + i]!, values[below + i]!, weight);
  }
}

/** A row of samples by the taps of the columns. */
export function samplesOfRow(
  row: Float32Array,
  columns: Taps,
  into: Float32Array,
  start = 0,
  end = columns.low.length,
): void {
  const { low, high, weight, inside } = columns;
  for (let i = start; i < end; i++) {
    into[i] = inside[i]! * between(row[low[i]!]!, row[high[i]!]!, weight[i]!);
  }
}

/** All samples by the taps of rows and columns. */
export function resample(field: Field, rows: Taps, columns: Taps): Field {
  const count = { rows: rows.low.length, columns: columns.low.length };
  const values = new Float32Array(count.rows * count.columns);
  const between = new Float32Array(field.columns);
  for (let row = 0; row < count.rows; row++) {
    rowBetween(field, rows, row, between);
    const start = row * count.columns;
    samplesOfRow(between, columns, values.subarray(start, start + count.columns));
  }
  return { ...count, values };
}

/** The grid's cells on the pixels of the model's input. */
export function resize(field: Field, rows: number, columns: number): Field {
  if (rows === field.rows && columns === field.columns) return field;
  const down = taps(field.rows, rows, field.rows / rows, 0);
  const across = taps(field.columns, columns, field.columns / columns, 0);
  return resample(field, down, across);
}

/** Every step-th pixel of the film, of a field on the model's input. */
export function onFilm(
  field: Field,
  geometry: GeometryData,
  height: number,
  width: number,
  step = 1,
): Field {
  const { scale, offset } = geometry;
  const rows = Math.ceil(height / step);
  const columns = Math.ceil(width / step);
  const down = taps(field.rows, rows, scale[0], offset[0], 0, step);
  const across = taps(field.columns, columns, scale[1], offset[1], 0, step);
  return resample(field, down, across);
}

/** The value at a point of the film in edge coordinates; 0 where the model saw nothing. */
export function valueAt(field: Field, geometry: GeometryData, x: number, y: number): number {
  const { scale, offset } = geometry;
  const down = taps(field.rows, 1, scale[0], offset[0], y - 0.5);
  const across = taps(field.columns, 1, scale[1], offset[1], x - 0.5);
  return resample(field, down, across).values[0]!;
}

/** Row and column of the grid's cell at a point of the film; null where the model saw nothing. */
export function cellAt(
  grid: readonly [number, number],
  geometry: GeometryData,
  x: number,
  y: number,
): [number, number] | null {
  const { model, scale, offset } = geometry;
  const row = ((y * scale[0] + offset[0]) / model[0]) * grid[0];
  const column = ((x * scale[1] + offset[1]) / model[1]) * grid[1];
  if (row < 0 || column < 0 || row > grid[0] || column > grid[1]) return null;
  return [Math.min(Math.floor(row), grid[0] - 1), Math.min(Math.floor(column), grid[1] - 1)];
}

/** The corners of a cell on the film: x, y of two opposite ones, in order. */
export function cellOnFilm(
  grid: readonly [number, number],
  geometry: GeometryData,
  row: number,
  column: number,
): [number, number, number, number] {
  const { model, scale, offset } = geometry;
  const edge = (cell: number, axis: 0 | 1): number =>
    ((cell * model[axis]) / grid[axis] - offset[axis]) / scale[axis];
  const x = [edge(column, 1), edge(column + 1, 1)].sort((a, b) => a - b) as [number, number];
  const y = [edge(row, 0), edge(row + 1, 0)].sort((a, b) => a - b) as [number, number];
  return [x[0], y[0], x[1], y[1]];
}
