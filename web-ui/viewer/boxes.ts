/** Boxes of the parts of a map that are at least a share of its maximum: metrics/regions.py. */

import type { GeometryData } from "./data.js";
import { type Field, rowBetween, samplesOfRow, type Taps, taps } from "./geometry.js";

export interface HeatBox {
  x: number;
  y: number;
  width: number;
  height: number;
  /** Pixels of the part, not of the box. */
  area: number;
  peak: number;
  mean: number;
}

/** The rows of a map in pixels of the film, made one at a time. */
export class FilmRows {
  readonly row: Float32Array;
  private readonly down: Taps;
  private readonly across: Taps;
  private readonly between: Float32Array;
  private readonly highest: Float32Array;
  private top: number | null = null;

  constructor(
    private readonly field: Field,
    geometry: GeometryData,
    readonly height: number,
    readonly width: number,
  ) {
    const { scale, offset } = geometry;
    this.down = taps(field.rows, height, scale[0], offset[0]);
    this.across = taps(field.columns, width, scale[1], offset[1]);
    this.between = new Float32Array(field.columns);
    this.row = new Float32Array(width);
    this.highest = new Float32Array(field.rows);
    for (let row = 0; row < field.rows; row++) {
      const start = row * field.columns;
      let most = 0;
      for (let i = start; i < start + field.columns; i++) most = Math.max(most, field.values[i]!);
      this.highest[row] = most;
    }
  }

  /** What no value of a row exceeds. */
  bound(row: number): number {
    return Math.max(this.highest[this.down.low[row]!]!, this.highest[this.down.high[row]!]!);
  }

  fill(row: number): Float32Array {
    rowBetween(this.field, this.down, row, this.between);
    samplesOfRow(this.between, this.across, this.row);
    return this.row;
  }

  /** The largest value on the film; rows that cannot hold it are left out. */
  maximum(): number {
    if (this.top !== null) return this.top;
    const order = Array.from({ length: this.height }, (_, row) => row);
    order.sort((a, b) => this.bound(b) - this.bound(a));
    let top = 0;
    for (const row of order) {
      if (this.bound(row) <= top) break;
      for (const value of this.fill(row)) top = Math.max(top, value);
    }
    this.top = top;
    return top;
  }
}

interface Run {
  start: number;
  end: number;
  part: number;
}

interface Part {
  left: number;
  right: number;
  top: number;
  bottom: number;
  area: number;
  sum: number;
  peak: number;
}

/** Parts that touch are one: each points to its first. */
class Parts {
  private readonly parent: number[] = [];
  private readonly parts: Part[] = [];

  add(row: number, start: number, end: number, values: Float32Array): number {
    let sum = 0;
    let peak = -Infinity;
    for (let i = start; i < end; i++) {
      sum += values[i]!;
      peak = Math.max(peak, values[i]!);
    }
    const area = end - start;
    this.parts.push({ left: start, right: end, top: row, bottom: row + 1, area, sum, peak });
    this.parent.push(this.parent.length);
    return this.parent.length - 1;
  }

  private first(part: number): number {
    while (this.parent[part] !== part) part = this.parent[part]!;
    return part;
  }

  join(a: number, b: number): void {
    const [first, second] = [this.first(a), this.first(b)].sort((m, n) => m - n) as [number, number];
    if (first === second) return;
    this.parent[second] = first;
    const into = this.parts[first]!;
    const from = this.parts[second]!;
    into.left = Math.min(into.left, from.left);
    into.right = Math.max(into.right, from.right);
    into.top = Math.min(into.top, from.top);
    into.bottom = Math.max(into.bottom, from.bottom);
    into.area += from.area;
    into.sum += from.sum;
    into.peak = Math.max(into.peak, from.peak);
  }

  whole(): Part[] {
    return this.parts.filter((_, number) => this.parent[number] === number);
  }
}

/** One box a connected part (neighbours also across corners), highest peak first. */
export function heatBoxes(rows: FilmRows, fraction: number): HeatBox[] {
  const top = rows.maximum();
  if (top <= 0) return [];
  const level = Math.fround(Math.fround(fraction) * top);
  const parts = new Parts();
  let above: Run[] = [];
  for (let row = 0; row < rows.height; row++) {
    const runs = rows.bound(row) < level ? [] : runsOf(rows.fill(row), level);
    for (const run of runs) {
      run.part = parts.add(row, run.start, run.end, rows.row);
      for (const other of above) {
        if (other.start <= run.end && run.start <= other.end) parts.join(other.part, run.part);
      }
    }
    above = runs;
  }
  const boxes = parts.whole().map(boxOf);
  return boxes.sort((a, b) => b.peak - a.peak);
}

function runsOf(values: Float32Array, level: number): Run[] {
  const runs: Run[] = [];
  let start = -1;
  for (let i = 0; i <= values.length; i++) {
    const hot = i < values.length && values[i]! >= level;
    if (hot && start < 0) start = i;
    if (!hot && start >= 0) {
      runs.push({ start, end: i, part: -1 });
      start = -1;
    }
  }
  return runs;
}

function boxOf(part: Part): HeatBox {
  const { left, right, top, bottom, area, sum, peak } = part;
  return { x: left, y: top, width: right - left, height: bottom - top, area, peak, mean: sum / area };
}
