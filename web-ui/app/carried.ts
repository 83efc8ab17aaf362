/** The difference of two maps that lie on one film or on two, as analysis/change/difference.py has it. */

import type { GeometryData, MapData } from "../viewer/data.js";
import type { Film } from "../viewer/film.js";
import type { Field } from "../viewer/geometry.js";
import { Layer, coarseGeometry, comparable, difference } from "../viewer/layer.js";
import { type Affine, type Point, apply } from "./affine.js";
import type { Frame } from "./frame.js";

/** A map with the film that it lies on. */
export interface Placed {
  readonly map: MapData;
  readonly layer: Layer;
  readonly frame: Frame;
}

export interface Difference {
  readonly layer: Layer;
  /** The film that it lies on. */
  readonly frame: Frame;
  /** Share of that film where both maps are. */
  readonly compared: number;
  /** Whether the maps are in one unit; else each is divided by its largest magnitude. */
  readonly sameUnit: boolean;
}

/**
 * The first map minus the second. Where they lie on different films both are carried to `first`,
 * the film that the others are laid on; 0 where a film, or what the model saw of it, ends.
 */
export function differenceOf(one: Placed, other: Placed, first: Frame): Difference {
  const sameUnit = comparable(one.map, other.map);
  const isOneFilm = one.frame === other.frame;
  const frame = isOneFilm ? one.frame : first;
  const coarse = coarseGeometry(frame.film);
  const carried = [one, other].map((placed) => carry(placed, isOneFilm ? null : placed.frame.place, coarse));
  const [a, b] = carried as [Carried, Carried];
  const both = a.seen.map((seen, i) => seen * b.seen[i]!);
  const compared = both.reduce((sum, each) => sum + each, 0) / both.length;
  if (isOneFilm && sameGeometry(one, other)) {
    return { layer: difference(one.layer, other.layer, sameUnit, frame.film), frame, compared, sameUnit };
  }
  const [p, q] = [one, other].map(({ layer }) => (sameUnit ? 1 : 1 / (layer.limit || 1))) as [number, number];
  const values = a.values.map((value, i) => (both[i] ? p * value - q * b.values[i]! : 0));
  return { layer: layerOfDifference(values, coarse, frame.film), frame, compared, sameUnit };
}

interface Carried {
  readonly values: Float32Array;
  /** 1 where the film is, and its model saw it. */
  readonly seen: Float32Array;
}

/** A map at the centres of coarse pixels of a film; `place`: from there to the map's film. */
function carry({ layer, frame }: Placed, place: Affine | null, coarse: GeometryData): Carried {
  const [rows, columns] = coarse.model;
  const values = new Float32Array(rows * columns);
  const seen = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const here: Point = [(column + 0.5) / coarse.scale[1], (row + 0.5) / coarse.scale[0]];
      const there = place === null ? here : apply(place, here);
      if (!isOn(frame.film, there)) continue;
      const [scale, offset] = [layer.geometry.scale, layer.geometry.offset];
      const x = there[0] * scale[1] + offset[1];
      const y = there[1] * scale[0] + offset[0];
      const { field } = layer;
      if (x < 0 || y < 0 || x > field.columns || y > field.rows) continue;
      const i = row * columns + column;
      values[i] = sampled(field, x - 0.5, y - 0.5);
      seen[i] = 1;
    }
  }
  return { values, seen };
}

/** Linear between the four samples round a point; beyond the edge, the edge's value. */
function sampled({ rows, columns, values }: Field, x: number, y: number): number {
  const [right, down] = [Math.min(Math.max(x, 0), columns - 1), Math.min(Math.max(y, 0), rows - 1)];
  const [left, top] = [Math.floor(right), Math.floor(down)];
  const [across, below] = [right - left, down - top];
  const at = (row: number, column: number): number =>
    values[Math.min(row, rows - 1) * columns + Math.min(column, columns - 1)]!;
  const upper = at(top, left) * (1 - across) + at(top, left + 1) * across;
  const lower = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across;
  return upper * (1 - below) + lower * below;
}

function isOn({ width, height }: Film, [x, y]: Point): boolean {
  return x >= 0 && y >= 0 && x <= width && y <= height;
}

function sameGeometry(one: Placed, other: Placed): boolean {
  return JSON.stringify(one.layer.geometry) === JSON.stringify(other.layer.geometry);
}

function layerOfDifference(values: Float32Array, geometry: GeometryData, film: Film): Layer {
  const [rows, columns] = geometry.model;
  const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const empty = limit > 0 ? null : "0 everywhere";
  return new Layer("difference", "", { rows, columns, values }, geometry, limit, true, empty, film);
}
