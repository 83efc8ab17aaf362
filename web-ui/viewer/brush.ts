/** A region of any shape, painted on the film: a mask in cells of one or a few of its pixels. */

import { element } from "./dom.js";
import type { Size } from "./view.js";

type Point = readonly [number, number];

/** Cells of the longer side at most; what a model sees of a film is coarser. */
const CELLS = 1024;

/** Colours of the inside and of the edge: red, green, blue, opacity. */
const INSIDE = [125, 255, 155, 70] as const;
const EDGE = [125, 255, 155, 255] as const;

interface Part {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export class Painting {
  readonly rows: number;
  readonly columns: number;
  /** Pixels of the film in a side of a cell. */
  readonly step: number;
  /** 1 where it is painted, row by row. */
  readonly cells: Uint8Array;
  /** Counts the changes. */
  version = 0;
  private canvas: HTMLCanvasElement | null = null;
  /** What has changed since the picture was drawn. */
  private stale: Part | null = null;

  constructor(readonly film: Size) {
    this.step = Math.max(Math.ceil(Math.max(film.width, film.height) / CELLS), 1);
    this.rows = Math.ceil(film.height / this.step);
    this.columns = Math.ceil(film.width / this.step);
    this.cells = new Uint8Array(this.rows * this.columns);
  }

  get isEmpty(): boolean {
    return !this.cells.includes(1);
  }

  /** Paint or erase what a round brush covers on its way; in pixels of the film. */
  stroke(from: Point, to: Point, radius: number, erase = false): void {
    const { step } = this;
    const least = Math.max(radius, step / Math.SQRT2); // so that a dab covers one cell at least
    const part = this.within({
      left: Math.floor((Math.min(from[0], to[0]) - least) / step),
      top: Math.floor((Math.min(from[1], to[1]) - least) / step),
      right: Math.ceil((Math.max(from[0], to[0]) + least) / step),
      bottom: Math.ceil((Math.max(from[1], to[1]) + least) / step),
    });
    for (let row = part.top; row < part.bottom; row++) {
      for (let column = part.left; column < part.right; column++) {
        const middle: Point = [(column + 0.5) * step, (row + 0.5) * step];
        if (distance(middle, from, to) > least) continue;
        this.cells[row * this.columns + column] = erase ? 0 : 1;
      }
    }
    this.changed(part);
  }

  clear(): void {
    this.cells.fill(0);
    this.changed({ left: 0, top: 0, right: this.columns, bottom: this.rows });
  }

  /** Lengths of pixels of the film outside and inside by turns, row by row, outside first. */
  runs(): string {
    const { width, height } = this.film;
    const lengths: number[] = [];
    let end = 0;
    for (let y = 0; y < height; y++) {
      for (const [first, last] of this.inside(Math.floor(y / this.step))) {
        const start = y * width + first;
        lengths.push(start - end, last - first);
        end = y * width + last;
      }
    }
    lengths.push(width * height - end);
    return lengths.join(" ");
  }

  /** Paint what other runs of the same film have inside, as `runs` gives them. */
  paintRuns(runs: string): void {
    const { width } = this.film;
    let at = 0;
    for (const [number, length] of runs.split(" ").map(Number).entries()) {
      const end = at + length;
      for (; number % 2 === 1 && at < end; at++) {
        const [row, column] = [Math.floor(at / width), at % width].map((pixel) => Math.floor(pixel / this.step));
        this.cells[row! * this.columns + column!] = 1;
      }
      at = end;
    }
    this.changed({ left: 0, top: 0, right: this.columns, bottom: this.rows });
  }

  /** The painted pixels of the film in a row of cells: first, and one after the last. */
  private inside(row: number): [number, number][] {
    const { columns, step, film } = this;
    const spans: [number, number][] = [];
    const cells = this.cells.subarray(row * columns, (row + 1) * columns);
    let first = cells.indexOf(1);
    while (first >= 0) {
      const after = cells.indexOf(0, first);
      const last = after < 0 ? columns : after;
      spans.push([first * step, Math.min(last * step, film.width)]);
      first = cells.indexOf(1, last);
    }
    return spans;
  }

  /** A cell of the canvas each, to be drawn over the film. */
  picture(): HTMLCanvasElement {
    this.canvas ??= element("canvas", { width: this.columns, height: this.rows });
    const { stale } = this;
    this.stale = null;
    if (stale === null || stale.right <= stale.left || stale.bottom <= stale.top) return this.canvas;
    const { left, top, right, bottom } = stale;
    const image = new ImageData(right - left, bottom - top);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const colour = this.colour(row, column);
        if (colour === null) continue;
        image.data.set(colour, 4 * ((row - top) * image.width + column - left));
      }
    }
    this.canvas.getContext("2d")!.putImageData(image, left, top);
    return this.canvas;
  }

  private colour(row: number, column: number): readonly number[] | null {
    if (!this.has(row, column)) return null;
    const isInside =
      this.has(row - 1, column) && this.has(row + 1, column) &&
      this.has(row, column - 1) && this.has(row, column + 1);
    return isInside ? INSIDE : EDGE;
  }

  private has(row: number, column: number): boolean {
    const isOnFilm = row >= 0 && column >= 0 && row < this.rows && column < this.columns;
    return isOnFilm && this.cells[row * this.columns + column] === 1;
  }

  private changed(part: Part): void {
    this.version += 1;
    const { left, top, right, bottom } = part;
    // The edge of what was painted before may now be inside.
    const around = this.within({ left: left - 1, top: top - 1, right: right + 1, bottom: bottom + 1 });
    const before = this.stale ?? around;
    this.stale = {
      left: Math.min(before.left, around.left),
      top: Math.min(before.top, around.top),
      right: Math.max(before.right, around.right),
      bottom: Math.max(before.bottom, around.bottom),
    };
  }

  private within({ left, top, right, bottom }: Part): Part {
    return {
      left: Math.max(left, 0),
      top: Math.max(top, 0),
      right: Math.min(right, this.columns),
      bottom: Math.min(bottom, this.rows),
    };
  }
}

/** Of a point from the line between two others. */
function distance(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const [px, py] = [point[0] - from[0], point[1] - from[1]];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(Math.max((px * dx + py * dy) / length, 0), 1);
  return Math.hypot(px - along * dx, py - along * dy);
}
