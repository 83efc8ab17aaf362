/** A volume as films: one plane across each axis, in square pixels, and the maps in it. */

import type { FilmData, GeometryData, MapData, ViewerData, VolumeData, VolumeMapData } from "./data.js";
import { type Film, floatsOfBase64 } from "./film.js";
import { type Taps, taps } from "./geometry.js";
import { type Line, maskOf, outlinesOf } from "./outline.js";

export type Axis = 0 | 1 | 2;
export type Voxel = [number, number, number];

/** Pixels of the longer side of a plane, at most: one voxel can be much longer than wide. */
const LARGEST = 1024;

/** A plane with its maps, as the viewer shows an image. */
export interface PlaneData {
  readonly film: Film;
  readonly data: ViewerData;
}

export class Volume {
  readonly about: VolumeData;
  private readonly cells: Map<string, Float32Array>;
  private readonly annotations: readonly { readonly label: string; readonly mask: Uint8Array }[];

  constructor(
    private readonly data: ViewerData,
    private readonly samples: Film["samples"],
  ) {
    this.about = data.volume!;
    const [depth, height, width] = this.about.size;
    const annotations = this.about.annotations ?? [];
    this.annotations = annotations.map(({ label, runs }) => ({ label, mask: maskOf(runs, depth * height * width) }));
    this.cells = new Map(this.about.maps.map((map) => [map.id, cellsOf(map)]));
  }

  /** Whether it shows maps, and the voxels of another. */
  hasMapsOf(other: Volume): boolean {
    return this.samples === other.samples && this.about.maps.length > 0;
  }

  /** Width and height of a plane in pixels, and in voxels. */
  sizeOf(axis: Axis): { width: number; height: number; down: Axis; across: Axis } {
    const { size, spacing } = this.about;
    const [down, across] = others(axis);
    const step = Math.min(spacing[down], spacing[across]);
    const [tall, wide] = [(size[down] * spacing[down]) / step, (size[across] * spacing[across]) / step];
    const shrink = Math.min(1, LARGEST / Math.max(tall, wide));
    const pixels = (length: number): number => Math.max(1, Math.round(length * shrink));
    return { width: pixels(wide), height: pixels(tall), down, across };
  }

  /** Where a voxel lies in the plane across an axis, in pixels of that plane. */
  toPlane(axis: Axis, voxel: Voxel): [number, number] {
    const { width, height, down, across } = this.sizeOf(axis);
    const { size } = this.about;
    const y = ((voxel[down] + 0.5) * height) / size[down];
    return [((voxel[across] + 0.5) * width) / size[across], this.isTurned(axis) ? height - y : y];
  }

  /** The voxel at a point of a plane; those outside are taken to the border. */
  toVoxel(axis: Axis, [x, y]: readonly [number, number], at: Voxel): Voxel {
    const { width, height, down, across } = this.sizeOf(axis);
    const { size } = this.about;
    const voxel: Voxel = [...at];
    const inside = (share: number, of: Axis): number =>
      Math.min(Math.max(Math.floor(share * size[of]), 0), size[of] - 1);
    voxel[down] = inside((this.isTurned(axis) ? height - y : y) / height, down);
    voxel[across] = inside(x / width, across);
    return voxel;
  }

  /** Whether the head is up, so that rows begin at the last slice. */
  private isTurned(axis: Axis): boolean {
    return axis !== 0 && this.about.oriented;
  }

  /** The number in the file of the plane at a voxel. */
  stored(axis: Axis, index: number): number {
    const { first, step, count } = this.about.numbering[axis];
    return Math.min(Math.max(Math.round(first + step * (index + 0.5) - 0.5), 0), count - 1);
  }

  plane(axis: Axis, at: Voxel): PlaneData {
    const { width, height, down, across } = this.sizeOf(axis);
    const turned = this.isTurned(axis);
    const rows = tapsOf(this.about.size[down], height, turned);
    const columns = tapsOf(this.about.size[across], width, false);
    const film = this.film(axis, at[axis], rows, columns);
    const maps = this.about.maps.map((map) => this.map(map, axis, at[axis], turned));
    const { bits } = this.data.film;
    const about: FilmData = { ...this.data.film, width, height, bits, data: "" };
    const outlines = this.annotations.map(({ label, mask }) => ({ label, lines: this.linesOf(mask, axis, at[axis]) }));
    return { film, data: { ...this.data, film: about, maps, outlines } };
  }

  /** Lines round a mask in a plane, in pixels of the plane. */
  private linesOf(mask: Uint8Array, axis: Axis, index: number): Line[] {
    const { width, height, down, across } = this.sizeOf(axis);
    const { size } = this.about;
    const strides = stridesOf(size);
    const isInside = (row: number, column: number): boolean =>
      row >= 0 && column >= 0 && row < size[down] && column < size[across] &&
      mask[index * strides[axis] + row * strides[down] + column * strides[across]] === 1;
    const toPixels = ([x, y]: readonly [number, number]): [number, number] => {
      const below = (y * height) / size[down];
      return [(x * width) / size[across], this.isTurned(axis) ? height - below : below];
    };
    return outlinesOf(size[down], size[across], isInside).map((line) => line.map(toPixels));
  }

  private film(axis: Axis, index: number, rows: Taps, columns: Taps): Film {
    const { samples } = this;
    const strides = stridesOf(this.about.size);
    const [down, across] = others(axis).map((each) => strides[each]) as [number, number];
    const start = index * strides[axis];
    const [height, width] = [rows.low.length, columns.low.length];
    const kind = samples instanceof Uint8Array ? Uint8Array : Uint16Array;
    const into = new kind(width * height);
    for (let row = 0; row < height; row++) {
      const above = start + rows.low[row]! * down;
      const below = start + rows.high[row]! * down;
      const low = rows.weight[row]!;
      for (let column = 0; column < width; column++) {
        const left = columns.low[column]! * across;
        const right = columns.high[column]! * across;
        const far = columns.weight[column]!;
        const upper = samples[above + left]! * (1 - far) + samples[above + right]! * far;
        const lower = samples[below + left]! * (1 - far) + samples[below + right]! * far;
        into[row * width + column] = Math.round(upper * (1 - low) + lower * low);
      }
    }
    const { bits } = this.data.film;
    return { width, height, channels: 1, bits, samples: into };
  }

  /** A map in a plane: its cells on both sides of it, by their weights. */
  private map(map: VolumeMapData, axis: Axis, index: number, turned: boolean): MapData {
    const [down, across] = others(axis);
    const { grid, geometry } = map;
    const weights = cellWeights(grid[axis], geometry.model[axis], geometry.scale[axis], geometry.offset[axis], index);
    const strides = stridesOf(grid);
    const all = this.cells.get(map.id)!;
    const cells = new Float32Array(grid[down] * grid[across]);
    for (const [cell, weight] of weights) {
      const start = cell * strides[axis];
      let next = 0;
      for (let row = 0; row < grid[down]; row++) {
        for (let column = 0; column < grid[across]; column++) {
          cells[next++]! += weight * all[start + row * strides[down] + column * strides[across]]!;
        }
      }
    }
    const plane = { grid: [grid[down], grid[across]] as const, geometry: this.planeGeometry(map, axis, turned) };
    const peak = map.at[axis] === index ? this.toPlane(axis, [...map.at]) : null;
    return { ...map, ...plane, values: "", cells, peak };
  }

  /** The same geometry from pixels of the plane. */
  private planeGeometry({ geometry }: VolumeMapData, axis: Axis, turned: boolean): GeometryData {
    const { width, height, down, across } = this.sizeOf(axis);
    const { size } = this.about;
    let scale = (geometry.scale[down] * size[down]) / height;
    let offset = geometry.offset[down];
    if (turned) [scale, offset] = [-scale, offset + scale * height];
    return {
      model: [geometry.model[down], geometry.model[across]],
      scale: [scale, (geometry.scale[across] * size[across]) / width],
      offset: [offset, geometry.offset[across]],
    };
  }
}

/** The cells of an axis that a voxel lies between, and their weights: grid → model → voxel. */
export function cellWeights(
  cells: number,
  model: number,
  scale: number,
  offset: number,
  index: number,
): Map<number, number> {
  const onModel = taps(model, 1, scale, offset, index);
  const weights = new Map<number, number>();
  if (!onModel.inside[0]) return weights;
  const of = onModel.weight[0]!;
  const ends = [[onModel.low[0]!, 1 - of], [onModel.high[0]!, of]] as const;
  for (const [pixel, share] of ends) {
    const onGrid = taps(cells, 1, cells / model, 0, pixel);
    const far = onGrid.weight[0]!;
    const pair = [[onGrid.low[0]!, 1 - far], [onGrid.high[0]!, far]] as const;
    for (const [cell, weight] of pair) weights.set(cell, (weights.get(cell) ?? 0) + share * weight);
  }
  return weights;
}

function cellsOf(map: VolumeMapData): Float32Array {
  const raw = floatsOfBase64(map.values, map.grid[0] * map.grid[1] * map.grid[2], map.id);
  return map.relu ? raw.map((value) => Math.max(value, 0)) : raw;
}

function others(axis: Axis): [Axis, Axis] {
  return ([0, 1, 2] as const).filter((each) => each !== axis) as [Axis, Axis];
}

function stridesOf(size: readonly [number, number, number]): [number, number, number] {
  return [size[1] * size[2], size[2], 1];
}

/** Taps of pixels on voxels; from the last voxel on where the plane is turned. */
function tapsOf(voxels: number, pixels: number, turned: boolean): Taps {
  const scale = voxels / pixels;
  return turned ? taps(voxels, pixels, -scale, voxels) : taps(voxels, pixels, scale, 0);
}
