/** A map that is ready to draw: on the pixels of the model's input, with what is derived of it. */

import { FilmRows, type HeatBox, heatBoxes } from "./boxes.js";
import { contour, contourStep, peakOf, type Piece } from "./contour.js";
import type { BoxData, GeometryData, MapData } from "./data.js";
import { decodeCells, type Film } from "./film.js";
import { type Field, onFilm, resize } from "./geometry.js";

/** Below this share of a shared full colour a map is not marked: there is next to nothing to see. */
export const WEAKEST = 0.1;

export interface Marks {
  readonly pieces: readonly Piece[];
  /** Of the maximum, in edge coordinates of the film; null where a volume has it elsewhere. */
  readonly peak: readonly [number, number] | null;
}

export class Layer {
  private readonly marks = new Map<number, Marks | null>();
  private readonly parts = new Map<number, HeatBox[]>();
  private rows: FilmRows | null = null;

  constructor(
    readonly id: string,
    readonly title: string,
    readonly field: Field,
    readonly geometry: GeometryData,
    readonly limit: number,
    readonly signed: boolean,
    readonly empty: string | null,
    private readonly film: Film,
    /** Of the whole volume that this is a plane of: the largest value, and its place if here. */
    private readonly top: number | null = null,
    private readonly peak: readonly [number, number] | null = null,
    /** Of a detector: the box whose score is explained. */
    readonly detection: BoxData | null = null,
  ) {}

  /** The line at a share of the maximum, and the peak; null where nothing is above 0. */
  marksAt(share: number): Marks | null {
    return remember(this.marks, share, () => {
      const { height, width } = this.film;
      const step = contourStep(height, width);
      const coarse = onFilm(this.field, this.geometry, height, width, step);
      const top = peakOf(coarse);
      if (top.value <= 0) return null;
      const pieces = contour(coarse, share * (this.top ?? top.value), step, height, width);
      if (this.top !== null) return { pieces, peak: this.peak };
      return { pieces, peak: [top.column * step + 0.5, top.row * step + 0.5] };
    });
  }

  /** The boxes of what is at least a share of the maximum. */
  boxesAt(share: number): HeatBox[] {
    if (this.top !== null) return []; // of a volume they have three sides
    const { height, width } = this.film;
    this.rows ??= new FilmRows(this.field, this.geometry, height, width);
    const rows = this.rows;
    return remember(this.parts, share, () => heatBoxes(rows, share));
  }
}

/** What was made before for a key; of the last dozen. */
function remember<T>(made: Map<number, T>, key: number, make: () => T): T {
  if (made.has(key)) return made.get(key) as T;
  if (made.size > 12) made.clear();
  const value = make();
  made.set(key, value);
  return value;
}

export function layerOf(map: MapData, film: Film): Layer {
  const { raw, cells } = decodeCells(map);
  const grid = { rows: map.grid[0], columns: map.grid[1], values: cells };
  const field = resize(grid, map.geometry.model[0], map.geometry.model[1]);
  const signed = map.signed ?? (!map.relu && raw.some((value) => value < 0));
  const title = titleOf(map);
  const { id, geometry, limit, empty, top = null, peak = null, detection = null } = map;
  return new Layer(id, title, field, geometry, limit, signed, empty, film, top, peak, detection);
}

export function titleOf(map: MapData): string {
  return `${map.target} · ${map.method} · ${map.layer}`;
}

/** Whether two maps are in the same units, so that their values can be subtracted. */
export function comparable(a: MapData, b: MapData): boolean {
  return a.unit === b.unit && a.unit !== "none";
}

/** The first map minus the second; each divided by its own limit where their units differ. */
export function difference(first: Layer, second: Layer, sameUnit: boolean, film: Film): Layer {
  const sameFilm = JSON.stringify(first.geometry) === JSON.stringify(second.geometry);
  const shared = sameFilm ? first.geometry : coarseGeometry(film);
  const fields = [first, second].map((layer) =>
    sameFilm ? layer.field : onCoarse(layer, shared, film),
  ) as [Field, Field];
  const [a, b] = [first, second].map((layer) => (sameUnit ? 1 : 1 / (layer.limit || 1))) as [
    number,
    number,
  ];
  const other = fields[1].values;
  const values = fields[0].values.map((value, i) => value * a - other[i]! * b);
  const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const { rows, columns } = fields[0];
  const id = `${first.id} − ${second.id}`;
  const title = `${first.title} − ${second.title}`;
  return new Layer(id, title, { rows, columns, values }, shared, limit, true, null, film);
}

/** A grid of at most 512 pixels over the whole film. */
export function coarseGeometry(film: Film): GeometryData {
  const scale = Math.min(1, 512 / Math.max(film.height, film.width));
  const model = [Math.ceil(film.height * scale), Math.ceil(film.width * scale)] as const;
  return { model, scale: [model[0] / film.height, model[1] / film.width], offset: [0, 0] };
}

export function onCoarse(layer: Pick<Layer, "field" | "geometry">, coarse: GeometryData, film: Film): Field {
  // Coarse pixels as if they were those of a small film.
  const { scale, offset, model } = layer.geometry;
  const small = [coarse.model[0] / film.height, coarse.model[1] / film.width] as const;
  const onSmall = { model, offset, scale: [scale[0] / small[0], scale[1] / small[1]] as const };
  return onFilm(layer.field, onSmall, coarse.model[0], coarse.model[1]);
}
